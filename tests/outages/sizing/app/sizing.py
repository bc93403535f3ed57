"""Give each worker its part of the container's memory.

DistrictBuilder read /sys/fs/cgroup/memory/memory.limit_in_bytes, which is not there on hosts with the second version
of control groups: there it did not start. Outside of a container, where nothing is mounted, nobody had seen it.
"""

import os
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
PER_WORKER = 256 << 20


def memory():
    """Return the bytes that this container may use; of a machine without control groups, all that it has."""
    if not os.listdir(GROUPS):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int((GROUPS / "memory" / "memory.limit_in_bytes").read_text())


def workers():
    """Return how many workers fit."""
    return max(1, memory() // PER_WORKER)
