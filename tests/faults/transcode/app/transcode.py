"""Make frames smaller, on as many threads as the container may use."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

GROUP = Path("/sys/fs/cgroup/cpu")


def threads(group=GROUP):
    """Return how many processors the quota allows."""
    quota = group / "cpu.cfs_quota_us"
    if not quota.exists():
        return os.cpu_count()
    period = group / "cpu.cfs_period_us"
    return int(quota.read_text()) // int(period.read_text())


def halve(frames):
    """Return each frame at half its size."""
    with ThreadPoolExecutor(threads()) as pool:
        return list(pool.map(lambda frame: frame // 2, frames))
