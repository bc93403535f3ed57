"""Sandboxes made ahead: who gets one, who does not, and what becomes of one that dies while it waits."""


import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from runtime.backends.native import warm
from runtime.backends.native.backend import NativeBackend
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


def test_first_run_leaves_no_spare_and_the_second_one_does(backend, plan):
    run(backend, plan("true"))
    pid = backend._process().pid
    time.sleep(0.2)
    assert children(pid) == set()
    run(backend, plan("true"))
    assert len(spares(pid)) == 1


def test_spare_serves_the_next_order_and_no_other(backend, plan):
    for _ in range(2):
        run(backend, plan("true"))
    pid = backend._process().pid
    before = spares(pid)
    with backend.start(plan("sleep", "60")) as running:
        assert children(pid) == before
        running.close()
    run(backend, plan("true"))
    assert not spares(pid) & before


def test_order_that_begins_otherwise_leaves_the_spare_alone(backend, plan):
    for _ in range(2):
        run(backend, plan("true"))
    pid = backend._process().pid
    before = spares(pid)
    with backend.start(plan("sleep", "60", host={"network": "none"})) as running:
        assert before < children(pid)
        running.close()


def test_spare_that_died_is_passed_over(backend, plan):
    for _ in range(2):
        run(backend, plan("true"))
    pid = backend._process().pid
    (spare,) = spares(pid)
    os.kill(spare, signal.SIGKILL)
    time.sleep(0.05)
    assert run(backend, plan("sh", "-c", "exit 7")).exit_code == 7


def test_run_in_a_spare_has_its_own_limits_filter_files_and_stdin(backend, plan, tmp_path):
    for _ in range(2):
        run(backend, plan("true"))
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
    monkeypatch.setattr(warm, "__file__", str(tmp_path / "runtime/backends/native/warm.py"))
    assert told() == compiled
    assert compiled[:2] == (9, b"init\ninit")
