"""What tries to use the machine up ends at its limit, for the right reason and in time; the machine stays usable."""

import signal
import time

import pytest

from runtime.backend import Unsupported
from runtime.outcome import Limit
from runtime.plan import GIB, MIB

FORK_BOMB = "b() { b | b & }; b; while :; do :; done"
MEMORY_BOMB = "s=x; while :; do s=$s$s; done"
FLOOD = "while :; do dd if=/dev/zero bs=1M count=64 status=none; done"
STUBBORN = "trap '' TERM INT HUP QUIT; while :; do sleep 0.05; done"
AT_WORK = 250
"""Milliseconds after which another run is started beside a bomb."""

LATE = 1000
"""Milliseconds after its deadline in which a run must have ended."""

CLEAN_UP = 4.0
"""Seconds more in which all of it is gone, and what it left has been read."""

USABLE = 1.0
"""Seconds in which the machine starts and ends another run meanwhile."""

pytestmark = pytest.mark.bar("9 bombs")


def limited(native, plan):
    found = native.check(plan("true", host={"memory": "512M", "processes": "64"}))
    if isinstance(found, Unsupported):
        pytest.skip("no control group may be made here, so bombs cannot be limited")


def beside(native, plan, *argv, deadline, **changes):
    """Run a bomb, and `/bin/true` next to it once it is at work; hold both to their times, and return its outcome."""
    began = time.monotonic()
    with native.start(plan(*argv, deadline=deadline, **changes)) as bomb:
        time.sleep(AT_WORK / 1000)
        asked = time.monotonic()
        with native.start(plan("true"), evidence=False) as other:
            assert other.wait().exit_code == 0
        took = time.monotonic() - asked
        outcome = bomb.wait()
    assert took < USABLE
    assert AT_WORK < outcome.duration < deadline + LATE
    assert time.monotonic() - began < (deadline + LATE) / 1000 + CLEAN_UP
    return outcome


def test_fork_bomb_ends_at_its_deadline_and_the_machine_stays_usable(native, plan):
    limited(native, plan)
    outcome = beside(native, plan, "bash", "-c", FORK_BOMB, host={"processes": "64"}, deadline=2000)
    assert outcome.limit is Limit.DEADLINE, outcome
    assert outcome.resources.peak_processes <= 64


def test_memory_bomb_ends_as_oom(native, plan):
    limited(native, plan)
    with native.start(plan("bash", "-c", MEMORY_BOMB, host={"memory": "128M"}, deadline=10_000)) as bomb:
        outcome = bomb.wait()
    assert outcome.limit is Limit.OOM, outcome
    assert outcome.resources.peak_memory <= 128 * MIB
    assert outcome.duration < 5_000


def test_memory_bomb_that_is_lit_again_and_again_ends_at_its_deadline_and_the_machine_stays_usable(native, plan):
    limited(native, plan)
    line = f"while :; do ( {MEMORY_BOMB} ); done"
    outcome = beside(native, plan, "bash", "-c", line, host={"memory": "128M"}, deadline=3000)
    assert outcome.limit is Limit.DEADLINE, outcome
    assert outcome.resources.peak_memory <= 128 * MIB


def test_memory_bomb_of_many_processes_ends_in_time(native, plan):
    limited(native, plan)
    line = f"for i in 1 2 3 4; do ( {MEMORY_BOMB} ) & done; wait; exit 137"
    outcome = beside(native, plan, "bash", "-c", line, host={"memory": "128M"}, deadline=6000)
    assert outcome.limit in (Limit.OOM, Limit.DEADLINE), outcome
    assert outcome.resources.peak_memory <= 128 * MIB


def test_log_flood_of_a_slice_ends_at_the_limit_of_output(native, plan, monkeypatch):
    monkeypatch.setattr("runtime.backends.native.running.MOST", 512 * MIB)
    outcome = beside(native, plan, "bash", "-c", FLOOD, deadline=20_000)
    assert outcome.limit is Limit.OUTPUT, outcome
    assert outcome.stdout.size < 640 * MIB


@pytest.mark.slow
def test_log_flood_of_10_gb_ends_at_the_limit_of_output(native, plan):
    outcome = beside(native, plan, "bash", "-c", "dd if=/dev/zero bs=1M count=10240", deadline=120_000)
    assert outcome.limit is Limit.OUTPUT, outcome
    assert GIB < outcome.stdout.size < 2 * GIB
    assert len(outcome.stdout.content) == 16 * MIB


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm", "/.seatrial/out"])
def test_disk_filler_meets_the_end_of_a_small_file_system(run, place):
    outcome = run("bash", "-c", f"dd if=/dev/zero of={place}/full bs=1M", host={"tmp": "8M"} if place == "/tmp" else {})
    assert (outcome.exit_code, outcome.limit) == (1, None), outcome
    assert b"No space left on device" in outcome.stderr.content


def test_file_filler_of_the_tree_meets_a_limit(native, plan, run):
    limited(native, plan)
    outcome = run(
        "dd", "if=/dev/zero", "of=/app/full", "bs=1M", host={"user": "root", "memory": "256M"}, deadline=30_000
    )
    full = b"No space left on device" in outcome.stderr.content
    assert full or outcome.limit is Limit.OOM, outcome


@pytest.mark.slow
def test_disk_filler_of_the_tree_meets_its_end_and_the_machine_stays_usable(native, plan):
    host = {"user": "root", "memory": "6G"}
    outcome = beside(native, plan, "dd", "if=/dev/zero", "of=/app/full", "bs=4M", host=host, deadline=120_000)
    assert b"No space left on device" in outcome.stderr.content or outcome.limit is Limit.OOM, outcome


def test_disk_filler_that_never_gives_up_ends_at_its_deadline_and_the_machine_stays_usable(native, plan):
    line = "while :; do dd if=/dev/zero of=/tmp/full bs=1M status=none; done"
    outcome = beside(native, plan, "bash", "-c", line, host={"tmp": "8M"}, deadline=2000)
    assert outcome.limit is Limit.DEADLINE, outcome
    assert b"No space left on device" in outcome.stderr.content


def test_suite_that_ignores_every_signal_ends_within_a_second_of_its_deadline(native, plan):
    with native.start(plan("bash", "-c", STUBBORN, deadline=1000)) as running:
        time.sleep(0.4)  # the trap is set by then
        running.signal(signal.SIGTERM)
        outcome = running.wait()
    assert outcome.limit is Limit.DEADLINE
    assert 1000 <= outcome.duration < 1000 + LATE


def test_suite_that_ignores_every_signal_leaves_the_machine_usable(native, plan):
    assert beside(native, plan, "bash", "-c", STUBBORN, deadline=1000).limit is Limit.DEADLINE


def test_fork_bomb_that_nothing_counts_ends_at_its_deadline_with_all_its_processes(native, plan):
    """A plain user without control groups has the deadline, and limits of its own such as this bomb's ``ulimit``."""
    line = f"ulimit -u 200; {FORK_BOMB}"
    outcome = beside(native, plan, "bash", "-c", line, deadline=2000)
    assert outcome.limit is Limit.DEADLINE, outcome
    assert outcome.resources.peak_processes > 5


def test_memory_bomb_meets_the_limit_of_a_process_where_no_group_counts(run):
    outcome = run("bash", "-c", MEMORY_BOMB, host={"limits": "data=64M"}, deadline=20_000)
    assert (outcome.exit_code, outcome.limit) == (2, None), outcome
    assert b"cannot allocate" in outcome.stderr.content
    assert outcome.resources.peak_memory < 256 * MIB
