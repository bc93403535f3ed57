"""How much of this machine is for us."""

import os
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")


def processors():
    """Return how many threads can run at once."""
    return max(1, len(os.sched_getaffinity(0)))


def memory():
    """Return how many bytes we may use, the least of what is told."""
    told = [limit(GROUPS / "memory.max"), limit(GROUPS / "memory" / "memory.limit_in_bytes"), _machine()]
    return min(each for each in told if each is not None)


def limit(path):
    """Return the number in a file, or None where there is no limit."""
    try:
        number = int(path.read_text())
    except (OSError, ValueError):
        return None
    return number if number > 0 else None


def _machine():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
