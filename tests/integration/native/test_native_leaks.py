"""Many starts, and starts whose warm process is killed at any moment, leave nothing: the figures before and after."""

# ruff: noqa: PTH208

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.backends.native.backend import NativeBackend
from runtime.errors import BackendError

WARMING_UP = 60
TOGETHER = 2
KIB_OF_NOISE = 1024
"""By how much the resident memory of a process may differ without being a leak of one start of many."""


def figures(warm: int) -> dict[str, int]:
    """Count what a start could leave: of this process, of the warm process, and of the machine."""
    return {
        "processes": len(descendants(warm)),
        "mounts": len(Path("/proc/self/mountinfo").read_text().splitlines()),
        "mounts of the warm process": len(Path(f"/proc/{warm}/mountinfo").read_text().splitlines()),
        "control groups": len(groups(warm)),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "descriptors of the warm process": len(os.listdir(f"/proc/{warm}/fd")),
        "threads": threading.active_count(),
        "files": len(os.listdir("/tmp")),
        "KiB": resident("self"),
        "KiB of the warm process": resident(warm),
    }


def descendants(pid: int) -> list[int]:
    found = []
    waiting = [pid]
    while waiting:
        try:
            children = Path(f"/proc/{(each := waiting.pop())}/task/{each}/children").read_text()
        except OSError:
            continue
        waiting.extend(map(int, children.split()))
        found.extend(map(int, children.split()))
    return found


def groups(pid: int) -> list[str]:
    return [str(each) for each in Path("/sys/fs/cgroup").glob(f"**/seatrial-{pid}-*")]


def resident(pid: int | str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def settled(warm: int) -> dict[str, int]:
    """Return the figures at rest: a spare is made a moment after the end of a run was told."""
    last = figures(warm)
    for _ in range(50):
        time.sleep(0.05)
        now = figures(warm)
        if now == last:
            break
        last = now
    return last


def start_many(backend: NativeBackend, plan, count: int) -> None:
    def work() -> None:
        for _ in range(count // TOGETHER):
            with backend.start(plan, evidence=False) as running:
                assert running.wait().exit_code == 0

    failed = []
    threads = [threading.Thread(target=lambda: failed.extend(raised(work))) for _ in range(TOGETHER)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failed, failed


def raised(work: Callable[[], None]) -> list[BaseException]:
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - told by another thread
        return [error]
    return []


@pytest.mark.bar("2 starts that leave nothing")
@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_starts_leave_no_mount_group_process_descriptor_file_or_memory(count, rootfs, plan, capsys):
    with NativeBackend(lambda _: (rootfs,)) as backend:
        warm = backend._process().pid
        start_many(backend, plan("true"), WARMING_UP)
        before = settled(warm)
        start_many(backend, plan("true"), count)
        after = settled(warm)
    with capsys.disabled():
        print(f"\n{count} starts, before and after:", {name: (before[name], after[name]) for name in before})
    grown = {name: after[name] - before[name] for name in before}
    assert grown.pop("KiB") < KIB_OF_NOISE * 4
    assert grown.pop("KiB of the warm process") < KIB_OF_NOISE
    del grown["files"]  # others use the folder, too: a figure to read
    assert {name: each for name, each in grown.items() if each > 0} == {}  # mounts of others may go meanwhile
    assert descendants(warm) == []
    assert groups(warm) == []


@pytest.mark.bar("2 killed moments", slice=2)
@pytest.mark.parametrize("moment", range(20))
def test_warm_process_killed_at_any_moment_leaves_nothing(moment, rootfs, plan):
    chance = random.Random(moment)
    mounts = Path("/proc/self/mountinfo").read_text()
    backend = NativeBackend(lambda _: (rootfs,))
    with backend:
        start_many(backend, plan("true"), 4)
        before = len(os.listdir("/proc/self/fd"))
        warm = backend._process().pid
        born = set(descendants(warm))
        over = threading.Event()

        def work() -> None:
            while not over.is_set():
                try:
                    with backend.start(plan("true"), evidence=False) as running:
                        running.wait()
                except BackendError:
                    return

        workers = [threading.Thread(target=work) for _ in range(TOGETHER)]
        for each in workers:
            each.start()
        time.sleep(chance.random() * 0.1)
        born |= set(descendants(warm))
        os.kill(warm, signal.SIGKILL)
        over.set()
        for each in workers:
            each.join()
        start_many(backend, plan("true"), 4)  # the next start sweeps
        assert settled(backend._process().pid)["descriptors"] == before
        assert groups(warm) == []
        fresh = backend._process().pid
    end = time.monotonic() + 10
    while any(is_alive(each) for each in born) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(is_alive(each) for each in born)
    assert (descendants(fresh), groups(fresh)) == ([], [])
    assert Path("/proc/self/mountinfo").read_text() == mounts


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
