"""Sandboxes made ahead: who gets one, who does not, and what becomes of one that dies while it waits."""

import os
import re
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.backends.native import launch
from runtime.backends.native.backend import NativeBackend
from runtime.backends.native.spares import MOST_SPARES
from runtime.errors import BackendError
from runtime.launcher import launcher_path
from runtime.plan import Stdin

HOME = Path(__file__).parents[3]


def children(pid: int) -> set[int]:
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def spares(pid: int) -> set[int]:
    """Wait until a spare is there, which is a moment after the end of a run was told; newuidmap is another child."""
    end = time.monotonic() + 10
    before: set[int] = set()
    while (not (found := children(pid)) or found != before) and time.monotonic() < end:
        before = found
        time.sleep(0.1)
    return found


@pytest.fixture
def backend(rootfs):
    with NativeBackend(lambda _: (rootfs,)) as made:
        yield made


def run(backend, plan, **changes):
    with backend.start(plan, **changes) as running:
        return running.wait()


def begin_twice(backend, plan):
    """Run two plans that begin alike: then a spare for such plans waits, and for no plan in particular."""
    run(backend, plan("true"))
    run(backend, plan("sh", "-c", "exit 3"))


def test_first_run_leaves_no_spare_and_the_second_one_does(backend, plan):
    run(backend, plan("true"))
    pid = backend._process().pid
    time.sleep(0.2)
    assert children(pid) == set()
    run(backend, plan("true"))
    assert len(spares(pid)) == 1


def test_plan_that_came_twice_finds_its_program_about_to_start(backend, plan):
    line = "cat /proc/1/comm /proc/self/status > /tmp/said; cat /tmp/said"
    asked = plan("sh", "-c", line, host={"umask": "0077", "open-files": "256", "cpus": "1"})
    cold = [run(backend, asked) for _ in range(2)]
    (spare,) = spares(backend._process().pid)
    assert Path(f"/proc/{spare}/comm").read_text() == "init\n"
    warm = run(backend, asked)
    for each in (*cold, warm):
        assert each.exit_code == 0
        assert all(proof.holds for proof in each.evidence.values()), each.evidence
        assert (each.evidence.keys(), each.changed, each.sandbox) == (
            cold[0].evidence.keys(),
            cold[0].changed,
            cold[0].sandbox,
        )
        assert each.stdout.content.startswith(b"init\n")
    assert not spares(backend._process().pid) & {spare}


def test_program_about_to_start_is_left_alone_by_another_order(backend, plan):
    for _ in range(2):
        run(backend, plan("true"))
    pid = backend._process().pid
    before = spares(pid)
    assert run(backend, plan("sh", "-c", "exit 7")).exit_code == 7
    assert run(backend, plan("true", host={"umask": "0077"})).exit_code == 0
    assert before < spares(pid)


def test_order_waits_for_a_program_that_does_not_exist_as_long_as_without_a_spare(backend, plan):
    outcomes = [run(backend, plan("/no/such/program")) for _ in range(4)]
    assert {(each.exit_code, each.stderr.content) for each in outcomes} == {
        (127, b"seatrial: cannot start /no/such/program: No such file or directory\n")
    }


def test_deadline_counts_from_the_order_and_not_from_the_spare(backend, plan):
    asked = replace(plan("sleep", "0.5"), deadline=1500)
    for _ in range(2):
        run(backend, asked)
    assert spares(backend._process().pid)
    time.sleep(1.5)
    outcome = run(backend, asked)
    assert (outcome.exit_code, outcome.limit) == (0, None)
    assert 450 < outcome.duration < 1400


def test_no_more_wait_than_there_may_be(backend, plan):
    for number in range(MOST_SPARES + 2):
        for _ in range(2):
            run(backend, plan("sh", "-c", f"exit {number}"))
    assert len(spares(backend._process().pid)) == MOST_SPARES


def test_spare_serves_the_next_order_and_no_other(backend, plan):
    begin_twice(backend, plan)
    pid = backend._process().pid
    before = spares(pid)
    with backend.start(plan("sleep", "60")) as running:
        assert before <= children(pid)  # the next one may be on its way
        running.close()
    run(backend, plan("true"))
    assert not spares(pid) & before


def test_order_that_begins_otherwise_leaves_the_spare_alone(backend, plan):
    begin_twice(backend, plan)
    pid = backend._process().pid
    before = spares(pid)
    with backend.start(plan("sleep", "60", host={"network": "none"})) as running:
        assert before < children(pid)
        running.close()


def test_spare_that_died_is_passed_over(backend, plan):
    begin_twice(backend, plan)
    pid = backend._process().pid
    (spare,) = spares(pid)
    os.kill(spare, signal.SIGKILL)
    time.sleep(0.05)
    assert run(backend, plan("sh", "-c", "exit 7")).exit_code == 7


def test_program_about_to_start_that_died_is_passed_over(backend, plan):
    asked = plan("sh", "-c", "exit 7")
    for _ in range(2):
        run(backend, asked)
    (spare,) = spares(backend._process().pid)
    os.kill(spare, signal.SIGKILL)
    time.sleep(0.05)
    assert run(backend, asked).exit_code == 7


def test_run_in_a_spare_has_its_own_limits_filter_files_and_stdin(backend, plan, tmp_path):
    begin_twice(backend, plan)
    assert spares(backend._process().pid)
    (tmp_path / "said").write_text("through a spare")
    host = {"umask": "0077", "open-files": "256"}
    changed = plan("sh", "-c", "ulimit -n; umask; cat", host=host, stdin=Stdin.INHERITED)
    said = os.open(tmp_path / "said", os.O_RDONLY)
    with backend.start(changed, stdin=said) as running:
        outcome = running.wait()
    os.close(said)
    assert outcome.stdout.content == b"256\n0077\nthrough a spare", outcome


def test_without_the_launcher_all_is_as_with_it(rootfs, plan, tmp_path, monkeypatch):
    left_out = shutil.ignore_patterns("__pycache__", "launcher-*")
    shutil.copytree(HOME / "runtime", tmp_path / "runtime", ignore=left_out)
    line = "cat /proc/1/comm /proc/1/cmdline; trap 'exit 9' TERM; kill -TERM 1; while :; do sleep 0.01; done"
    asked = plan("bash", "-c", line)

    def told() -> tuple[object, ...]:
        with NativeBackend(lambda _: (rootfs,)) as backend:
            found = [run(backend, asked) for _ in range(3)]
        assert len({(each.exit_code, each.stdout.content) for each in found}) == 1, found
        proofs = {name: each.holds for name, each in found[0].evidence.items()}
        return found[0].exit_code, found[0].stdout.content.replace(b"\0", b"").replace(b"\1", b""), proofs

    compiled = told()
    monkeypatch.setattr(launch, "HOME", str(tmp_path))
    assert told() == compiled
    assert compiled[:2] == (9, b"init\ninit")


def test_launcher_of_another_version_is_named(rootfs, plan, tmp_path, monkeypatch):
    if launcher_path() is None:
        pytest.skip("no C compiler made the launcher")
    shutil.copytree(HOME / "runtime", tmp_path / "runtime", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "runtime/backends/native/compiled_init.py"
    file.write_text(re.sub(r'_TASK_FORM = "\d+"', '_TASK_FORM = "1"', file.read_text()))
    monkeypatch.setattr(launch, "HOME", str(tmp_path))
    with NativeBackend(lambda _: (rootfs,)) as backend, pytest.raises(BackendError) as refused:
        run(backend, plan("true"))
    assert refused.value.message == "the launcher was built for another version of Seatrial"
    assert refused.value.hint == "install Seatrial again"
