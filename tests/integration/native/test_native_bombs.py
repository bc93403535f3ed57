"""What tries to use the machine up ends at its limit, for the right reason and in time; the machine stays usable."""

import time

import pytest

from runtime.backend import Unsupported
from runtime.outcome import Limit
from runtime.plan import GIB, MIB

FORK_BOMB = "b() { b | b & }; b; while :; do :; done"
MEMORY_BOMB = "s=x; while :; do s=$s$s; done"
FLOOD = "while :; do dd if=/dev/zero bs=1M count=64 status=none; done"
STUBBORN = "trap '' TERM INT HUP QUIT; while :; do sleep 0.05; done"
LATE = 1.0
"""Seconds after its deadline in which a run must have ended."""


def limited(native, plan):
    found = native.check(plan("true", host={"memory": "512M", "processes": "64"}))
    if isinstance(found, Unsupported):
        pytest.skip("no control group may be made here, so bombs cannot be limited")


def beside(native, plan, *argv, **changes):
    """Run a bomb, start `/bin/true` next to it once it is at work, and return its outcome and how long that took."""
    with native.start(plan(*argv, **changes)) as bomb:
        time.sleep(0.5)
        began = time.monotonic()
        with native.start(plan("true"), evidence=False) as other:
            assert other.wait().exit_code == 0
        took = time.monotonic() - began
        return bomb.wait(), took


def test_fork_bomb_ends_at_its_deadline_and_the_machine_stays_usable(native, plan):
    limited(native, plan)
    outcome, took = beside(native, plan, "bash", "-c", FORK_BOMB, host={"processes": "64"}, deadline=2000)
    assert outcome.limit is Limit.DEADLINE, outcome
    assert outcome.resources.peak_processes <= 64
    assert outcome.duration < 2000 + LATE * 1000
    assert took < 1.0


def test_memory_bomb_ends_as_oom(native, plan):
    limited(native, plan)
    began = time.monotonic()
    outcome = native.start(plan("bash", "-c", MEMORY_BOMB, host={"memory": "128M"})).wait()
    assert outcome.limit is Limit.OOM, outcome
    assert outcome.resources.peak_memory <= 128 * MIB
    assert time.monotonic() - began < 20


def test_memory_bomb_of_many_processes_ends_in_time(native, plan):
    limited(native, plan)
    line = f"for i in 1 2 3 4; do ( {MEMORY_BOMB} ) & done; wait; exit 137"
    outcome, took = beside(native, plan, "bash", "-c", line, host={"memory": "128M"}, deadline=6000)
    assert outcome.limit in (Limit.OOM, Limit.DEADLINE), outcome
    assert outcome.resources.peak_memory <= 128 * MIB
    assert took < 1.0


def test_log_flood_of_a_slice_ends_at_the_limit_of_output(native, plan, monkeypatch):
    monkeypatch.setattr("runtime.backends.native.running.MOST", 128 * MIB)
    outcome, took = beside(native, plan, "bash", "-c", FLOOD)
    assert outcome.limit is Limit.OUTPUT, outcome
    assert outcome.stdout.size < 256 * MIB
    assert took < 1.0


@pytest.mark.slow
def test_log_flood_of_10_gb_ends_at_the_limit_of_output(native, plan):
    outcome = native.start(plan("bash", "-c", "dd if=/dev/zero bs=1M count=10240", deadline=120_000)).wait()
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
def test_disk_filler_of_the_tree_meets_its_end(run):
    outcome = run(
        "dd", "if=/dev/zero", "of=/app/full", "bs=4M", host={"user": "root", "memory": "6G"}, deadline=120_000
    )
    assert b"No space left on device" in outcome.stderr.content or outcome.limit is Limit.OOM, outcome


def test_suite_that_ignores_every_signal_ends_within_a_second_of_its_deadline(native, plan):
    began = time.monotonic()
    with native.start(plan("bash", "-c", STUBBORN, deadline=1000)) as running:
        time.sleep(0.4)  # the trap is set by then
        running.signal(15)
        outcome = running.wait()
    assert outcome.limit is Limit.DEADLINE
    assert outcome.duration < 1000 + LATE * 1000
    assert time.monotonic() - began < 5


def test_fork_bomb_that_nothing_counts_ends_at_its_deadline_with_all_its_processes(native, plan):
    """A plain user without control groups has the deadline, and limits of its own such as this bomb's ``ulimit``."""
    line = f"ulimit -u 200; {FORK_BOMB}"
    outcome, took = beside(native, plan, "bash", "-c", line, deadline=2000)
    assert outcome.limit is Limit.DEADLINE, outcome
    assert outcome.duration < 2000 + LATE * 1000
    assert outcome.resources.peak_processes > 5
    assert took < 1.0


def test_memory_bomb_meets_the_limit_of_a_process_where_no_group_counts(run):
    outcome = run("bash", "-c", MEMORY_BOMB, host={"limits": "data=64M"}, deadline=20_000)
    assert (outcome.exit_code, outcome.limit) == (2, None), outcome
    assert b"cannot allocate" in outcome.stderr.content
    assert outcome.resources.peak_memory < 256 * MIB
