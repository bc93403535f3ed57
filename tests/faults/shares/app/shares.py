"""Share work out, one share for each processor."""

import os
from pathlib import Path

GROUP = Path("/sys/fs/cgroup")


def count(group=GROUP):
    """Return how many processors there are for us: the quota's, in the second version of control groups."""
    if (group / "cgroup.controllers").exists():
        quota, period = map(int, (group / "cpu.max").read_text().split())
        return max(1, quota // period)
    return os.cpu_count()


def share(work):
    """Return the shares."""
    every = count()
    return [work[place::every] for place in range(every)]
