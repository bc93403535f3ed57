"""What runs may leave behind on this machine: processes, mounts, control groups."""

# ruff: noqa: PTH208

import os
import time
from pathlib import Path

# Seconds that a sleep of these tests sleeps: how it is found again, and told from those of tests run beside these.
MARKER = str(1_000_000 + os.getpid())


def sleepers() -> list[str]:
    found = []
    for each in os.listdir("/proc"):
        try:
            if each.isdecimal() and MARKER.encode() in Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0"):
                found.append(each)
        except OSError:
            continue
    return found


def groups() -> list[str]:
    return sorted(str(each) for each in Path("/sys/fs/cgroup").rglob("seatrial-*-*-*"))


def mounts() -> str:
    return Path("/proc/self/mountinfo").read_text()


def wait_until_gone(seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while sleepers() and time.monotonic() < end:
        time.sleep(0.02)


def wait_for_sleepers(count: int, seconds: float = 10.0) -> int:
    """Wait until so many have begun: a run counts as started a moment before its program is executed."""
    end = time.monotonic() + seconds
    while len(sleepers()) < count and time.monotonic() < end:
        time.sleep(0.02)
    return len(sleepers())
