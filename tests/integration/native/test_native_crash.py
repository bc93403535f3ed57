"""Nothing of a run is left on the machine, however it ended."""

# ruff: noqa: PTH208

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from left_behind import MARKER, groups, mounts, sleepers, wait_for_sleepers, wait_until_gone

from runtime.backends.native.backend import NativeBackend
from runtime.backends.native.spares import MOST_SPARES
from runtime.errors import BackendError

HOME = Path(__file__).parents[3]

CLIENT = """
import pickle, sys, time
sys.path[:0] = {paths!r}
from pathlib import Path
from runtime.backends.native.backend import NativeBackend
from runtime.plan import Plan, User
backend = NativeBackend(lambda _: (Path({rootfs!r}),))
plan = Plan(image={image!r} and __import__("runtime.digest").digest.Digest({image!r}), suite=None,
            argv=("sh", "-c", "sleep {marker} & sleep {marker}"), workdir="/", environment={{"PATH": "/bin"}},
            user=User(uid=1000, gid=1000, home="/home/app"), capabilities=(), seccomp="unconfined")
runs = [backend.start(plan, evidence=False) for _ in range(2)]
print(backend._warm.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def client(rootfs, plan):
    source = CLIENT.format(paths=[str(HOME)], rootfs=str(rootfs), image=plan("true").image.text, marker=MARKER)
    process = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.warm = int(process.stdout.readline())  # type: ignore[attr-defined]
        assert wait_for_sleepers(4) == 4
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_client_killed_leaves_no_process_mount_or_group(client):
    before = mounts()
    client.kill()
    client.wait()
    wait_until_gone()
    assert sleepers() == []
    assert mounts() == before
    end = time.monotonic() + 10
    mine = f"seatrial-{client.warm}-"
    while any(mine in each for each in groups()) and time.monotonic() < end:
        time.sleep(0.02)
    assert [each for each in groups() if mine in each] == []


def test_warm_process_killed_ends_its_runs_and_the_next_start_sweeps(client, native, rootfs):
    os.kill(client.warm, signal.SIGKILL)
    wait_until_gone()
    assert sleepers() == []
    client.kill()
    client.wait()
    with NativeBackend(lambda _: (rootfs,)) as backend:
        backend._process()
    assert [each for each in groups() if f"seatrial-{client.warm}-" in each] == []


def test_run_is_lost_when_the_warm_process_dies_and_the_backend_recovers(rootfs, plan):
    with NativeBackend(lambda _: (rootfs,)) as backend:
        running = backend.start(plan("sleep", "60"))
        os.kill(backend._process().pid, signal.SIGKILL)
        with pytest.raises(BackendError, match="the run was lost: the warm process was ended by signal 9"):
            running.wait()
        running.close()
        with backend.start(plan("true")) as again:
            assert again.wait().exit_code == 0


def test_what_fails_of_one_run_ends_no_other(rootfs, plan):
    with NativeBackend(lambda _: (rootfs,)) as backend:
        longer = backend.start(plan("sleep", "2"))
        with backend.start(plan("sleep", MARKER)) as running:
            if not take_away_groups(backend._process().pid, number=2):
                pytest.skip("no control groups can be made here")
            assert wait_for_sleepers(1) == 1
            os.kill(int(sleepers()[0]), signal.SIGTERM)
            with pytest.raises(BackendError, match="the run was lost: FileNotFoundError"):
                running.wait()
        assert longer.wait().exit_code == 0


def take_away_groups(warm, number):
    """Remove the control groups of a run that goes on, as another program of this machine may."""
    mine = [Path(each) for each in groups() if f"/seatrial-{warm}-" in each and each.endswith(f"-{number}")]
    for group in mine:
        while pids := (group / "cgroup.procs").read_text().split():
            for pid in pids:
                (group.parent / "cgroup.procs").write_text(pid)
        group.rmdir()
    return mine


def test_closed_run_leaves_nothing_and_says_so(native, plan):
    running = native.start(plan("sleep", MARKER))
    assert wait_for_sleepers(1) == 1
    running.close()
    running.close()
    assert sleepers() == []
    with pytest.raises(BackendError, match="closed"):
        running.wait()


def settled(pid: int) -> int:
    """Count descriptors at rest: the last one of a run is closed a moment after its end was told."""
    counts = []
    for _ in range(10):
        counts.append(len(os.listdir(f"/proc/{pid}/fd")))
        time.sleep(0.02)
    return min(counts)


def test_descriptors_of_the_warm_process_do_not_grow(native, plan):
    pid = native._process().pid
    for _ in range(2):  # the second one leaves a sandbox for the next
        native.start(plan("true")).wait()
    before = settled(pid)
    for _ in range(30):
        with native.start(plan("true")) as running:
            running.wait()
    assert settled(pid) <= before + MOST_SPARES  # each holds one, and may be there or not be there yet


def test_descriptors_and_groups_after_many_runs_are_as_before(rootfs, plan):
    before = len(os.listdir("/proc/self/fd"))
    with NativeBackend(lambda _: (rootfs,)) as backend:
        warm = backend._process().pid
        runs = [backend.start(plan("true")) for _ in range(6)]
        assert [each.wait().exit_code for each in runs] == [0] * 6
    assert len(os.listdir("/proc/self/fd")) == before
    assert [each for each in groups() if f"seatrial-{warm}-" in each] == []
