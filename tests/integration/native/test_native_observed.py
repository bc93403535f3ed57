"""What is told of a run beside how it behaved: what held it up, whom the kernel killed, what it left."""

import os

import pytest

from runtime.backend import Unsupported
from runtime.backends.native.backend import NativeBackend
from runtime.digest import Digest
from runtime.plan import MIB


def limited(native, plan, **levels):
    found = native.check(plan("true", host=levels))
    if isinstance(found, Unsupported):
        pytest.skip("no control group may be made here, so bombs cannot be limited")


def test_victim_of_the_oom_killer_is_named_to_who_may_read_the_log(native, plan, run):
    limited(native, plan, memory="64M")
    line = "(exec -a innocent sleep 9 & s=x; while :; do s=$s$s; done)"
    outcome = run("bash", "-c", line, host={"memory": "64M"})
    assert outcome.resources.oom_kills >= 1
    readable = os.getuid() == 0 and os.access("/dev/kmsg", os.R_OK)
    assert outcome.resources.victims == (("bash",) if readable else ())


def test_throttled_run_says_for_how_long(native, plan, run):
    limited(native, plan, **{"cpu-quota": "20%"})
    line = "for ((i = 0; i < 200000; i++)); do :; done"
    outcome = run("bash", "-c", line, host={"cpu-quota": "20%"})
    assert outcome.resources.throttled_periods > 0
    assert outcome.resources.throttled_time > 0
    assert run("true").resources.throttled_time == -1


def test_bytes_that_a_tree_grew_by_are_counted(run):
    write = "dd if=/dev/zero of=/app/{} bs=1M count={} status=none"
    command = f"{write.format('kept', 3)}; {write.format('gone', 4)}; rm /app/gone"
    grown = run("sh", "-c", command, host={"user": "root"}).resources.written
    assert 3 * MIB <= grown < 4 * MIB
    assert run("true").resources.written == 0


def test_pressure_says_whose_it_is(run):
    resources = run("sh", "-c", "sleep 0.1").resources
    names = {"cpu", "io", "memory"} if os.path.exists("/proc/pressure/memory") else set()  # noqa: PTH110
    assert resources.pressure.keys() == names or resources.has_own_pressure
    assert all(0 <= each < 60_000 for each in resources.pressure.values())


def test_run_without_evidence_is_not_slowed_by_traces(native, plan):
    with native.start(plan("true"), evidence=False) as running:
        resources = running.wait().resources
    assert (dict(resources.pressure), resources.written) == ({}, -1)


def test_effective_sandbox_is_the_same_in_two_runs_of_one_plan(native, run, plan):
    first, second = run("true").sandbox, run("true").sandbox
    assert Digest.of_json(first) == Digest.of_json(second)
    other = run("true", host={"tmp": "8M"}).sandbox
    assert first["mounts"] != other["mounts"]
    assert {**first, "mounts": ()} == {**other, "mounts": ()}
    with native.start(plan("true"), evidence=False) as running:
        assert running.wait().sandbox == {}


def test_effective_sandbox_says_what_holds_the_run(run):
    found = run("true", host={"capabilities": "none", "limits": "fsize=4M"}).sandbox
    assert found["namespaces"] == ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"]
    assert set(map(tuple, found["capabilities"].values())) == {()}
    assert (found["no-new-privileges"], found["seccomp"]["mode"]) == (True, 2)
    assert found["limits"]["fsize"] == [4 * MIB, 4 * MIB]
    assert [each["path"] for each in found["mounts"]][:3] == ["/", "/proc", "/sys"]
    assert run("true", host={"seccomp": "unconfined"}).sandbox["seccomp"] == {"mode": 0, "program": ""}


def test_effective_sandbox_with_one_id_differs_in_ids_and_what_stands_for_them(rootfs, run, plan):
    if os.getuid() == 0:
        pytest.skip("needs a plain user: the runs of root have a range of ids")
    with NativeBackend(lambda _: (rootfs,), one_id=True) as backend, backend.start(plan("true")) as running:
        one = running.wait().sandbox
    many = run("true").sandbox
    assert one["ids"] == {"users": 1, "groups": 1}
    different = {key for key in many if many[key] != one[key]}
    assert different <= {"ids", "mounts", "seccomp"}
    assert [each["path"] for each in one["mounts"]] == [each["path"] for each in many["mounts"]]
