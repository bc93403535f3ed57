"""What ends a run that does not end by itself."""

# ruff: noqa: PTH110, PTH116, PTH208

import contextlib
import os
import time

import pytest

from runtime.backend import Unsupported
from runtime.backends.native.idmap import BASE
from runtime.outcome import Fidelity, Limit
from runtime.plan import MIB

EAT = "s=x; while :; do s=$s$s; done"


def offers(native, plan):
    return native.check(plan("true", host={"memory": "512M"}))


@pytest.mark.parametrize("pid1", ["init", "app"])
def test_deadline_ends_run_and_is_reported(run, pid1):
    began = time.monotonic()
    outcome = run("sleep", "60", deadline=500, host={"pid1": pid1})
    assert outcome.limit is Limit.DEADLINE
    assert (outcome.exit_code, outcome.signal) == (None, None)
    assert time.monotonic() - began < 10


def test_program_that_traps_every_signal_still_meets_its_deadline(run):
    assert run("sh", "-c", "trap '' TERM INT HUP; while :; do :; done", deadline=400).limit is Limit.DEADLINE


def test_orphan_that_holds_the_pipe_open_does_not_hold_the_run(run):
    began = time.monotonic()
    outcome = run("sh", "-c", "(setsid sleep 300 &) 2>/dev/null; (sleep 300 &); echo done")
    assert (outcome.exit_code, outcome.stdout.content) == (0, b"done\n")
    assert time.monotonic() - began < 15


def test_memory_limit_is_reported_as_oom(native, plan, run):
    if isinstance(offers(native, plan), Unsupported):
        pytest.skip("no control group may be made here, so memory cannot be limited")
    outcome = run("bash", "-c", EAT, host={"memory": "64M"})
    assert outcome.limit is Limit.OOM
    assert 32 * MIB < outcome.resources.peak_memory <= 64 * MIB
    assert outcome.evidence["memory"].holds


def test_process_limit_holds(native, plan, run):
    if isinstance(offers(native, plan), Unsupported):
        pytest.skip("no control group may be made here, so processes cannot be limited")
    outcome = run("bash", "-c", "for i in {1..40}; do sleep 1 & done; wait", host={"processes": "16"})
    assert b"fork" in outcome.stderr.content
    assert outcome.resources.peak_processes <= 16


def test_quota_is_read_back(native, plan, run):
    if isinstance(offers(native, plan), Unsupported):
        pytest.skip("no control group may be made here, so CPU time cannot be limited")
    assert run("true", host={"cpu-quota": "50%"}).evidence["cpu-quota"].holds


def test_limit_that_cannot_be_enforced_is_watched_or_unsupported(native, plan, run):
    if not isinstance(offers(native, plan), Unsupported):
        pytest.skip("control groups can be made here")
    assert "control groups" in offers(native, plan).reason
    assert native.check(plan("true"))["memory"] is Fidelity.EMULATED
    evidence = run("sleep", "0.2").evidence
    assert evidence["memory"].holds
    assert evidence["memory"].fidelity is Fidelity.EMULATED
    assert evidence["processes"].holds


def test_flood_ends_the_run_when_it_passes_the_limit(run, monkeypatch):
    monkeypatch.setattr("runtime.backends.native.running.MOST", 4 * MIB)
    outcome = run("bash", "-c", "while :; do echo 0123456789012345678901234567890123456789; done")
    assert outcome.limit is Limit.OUTPUT
    assert outcome.stdout.size > 4 * MIB


def test_only_the_beginning_of_a_long_stream_is_kept(run):
    outcome = run("dd", "if=/dev/zero", "bs=1M", "count=20")
    assert len(outcome.stdout.content) == 16 * MIB
    assert outcome.stdout.size == 20 * MIB


def test_fewer_cpus_are_shown_everywhere(run):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one CPU only")
    outcome = run("sh", "-c", "nproc; cat /sys/devices/system/cpu/online", host={"cpus": "1"})
    assert outcome.stdout.content == b"1\n0\n"
    assert outcome.evidence["cpus"].holds


def test_more_cpus_than_there_are_is_unsupported(native, plan):
    found = native.check(plan("true", host={"cpus": "4096"}))
    assert isinstance(found, Unsupported)
    assert "4096" in found.reason


def owners_of(processes):
    for each in processes:
        with contextlib.suppress(FileNotFoundError):  # It ended since it was listed.
            yield os.stat(each).st_uid


def test_ids_of_a_run_are_not_the_machines(native, plan):
    if os.getuid():
        pytest.skip("a plain user's ids are its range in /etc/subuid")
    with native.start(plan("sleep", "30")) as running:
        owners = set(owners_of(os_processes()))
        assert BASE + 1000 in owners
        running.close()


def os_processes():
    return [f"/proc/{each}" for each in os.listdir("/proc") if each.isdecimal() and os.path.exists(f"/proc/{each}")]
