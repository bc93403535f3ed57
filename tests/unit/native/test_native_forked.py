"""Functions in processes beside this one: their results, their errors, and their end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime.backends.native.forked import beside
from runtime.errors import BackendError

ROOT = Path(__file__).parents[3]


def test_result_comes_back_and_both_run_at_a_time(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    def say() -> int:
        (tmp_path / "pipe").write_text("said")
        return os.getpid()

    with beside(say) as answer:
        assert (tmp_path / "pipe").read_text() == "said"
        other = answer.wait()
    assert other != os.getpid()
    assert not is_alive(other)


def test_error_comes_back_as_it_was_raised():
    def fail() -> None:
        raise BackendError("no room", hint="make some")

    with pytest.raises(BackendError, match="no room") as caught, beside(fail) as answer:
        answer.wait()
    assert caught.value.hint == "make some"


def test_what_cannot_be_pickled_is_told_by_its_text():
    class OwnError(Exception):
        pass

    def fail() -> None:
        raise OwnError("odd")

    with pytest.raises(BackendError, match="OwnError: odd"), beside(fail) as answer:
        answer.wait()


def test_process_that_dies_is_told():
    with (
        pytest.raises(BackendError, match="ended with -9"),
        beside(lambda: os.kill(os.getpid(), signal.SIGKILL)) as answer,
    ):
        answer.wait()


def test_process_that_nobody_waits_for_cleans_up_and_ends(tmp_path):
    def work() -> None:
        try:
            (tmp_path / "pid").write_text(str(os.getpid()))
            time.sleep(60)
        finally:
            (tmp_path / "cleaned").touch()

    begin = time.monotonic()
    with beside(work):
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.01)
    assert (tmp_path / "cleaned").exists()
    assert not is_alive(int((tmp_path / "pid").read_text()))
    assert time.monotonic() - begin < 30


def test_answer_is_there_when_it_can_be_had_at_once(tmp_path):
    os.mkfifo(tmp_path / "go")
    with beside((tmp_path / "go").read_text) as answer:
        assert not answer.is_there()
        (tmp_path / "go").write_text("went")
        while not answer.is_there():
            time.sleep(0.01)
        assert answer.wait() == "went"
        assert not answer.is_there()


def test_process_that_is_ended_at_once_leaves_the_callers_clean_up_to_the_caller():
    """A handler of the caller's would raise in the new process too, and leave there on the caller's way out."""
    script = """
import contextlib, os, sys, time
from pipeline.cli import stopping
from runtime.backends.native.forked import beside

stopping.install()
own = os.getpid()
for _ in range(60):
    with contextlib.suppress(ValueError), contextlib.ExitStack() as stack:
        stack.callback(lambda: os.getpid() == own or os.write(1, b"cleaned up by another"))
        stack.enter_context(beside(lambda: time.sleep(60)))
        raise ValueError
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_signal_amid_a_fork_is_neither_lost_nor_printed():
    script = """
import os, signal
from runtime.backends.native.forked import fork

def leave(*_):
    raise SystemExit(7)

signal.signal(signal.SIGTERM, leave)
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGTERM))
if fork() == 0:
    os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (7, "")
