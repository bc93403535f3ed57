"""How much memory there is.

libuv asked the kernel by sysinfo, and LXC shows a container's limit in /proc/meminfo only: Node.js saw 32 GB in a
container of 2.5, and sized its heap by them.
"""

import os
from pathlib import Path


def by_call():
    """Return the KiB that the kernel tells."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024


def by_file():
    """Return the KiB that /proc/meminfo tells."""
    return int(Path("/proc/meminfo").read_text().split()[1])
