"""Secrets that a program has: it is bounded, and what it says is in no word of ours."""

import os
import signal
import time

import pytest

from pipeline.declare.errors import SpecError
from pipeline.declare.stage_file import SecretPart
from pipeline.release.secret_source import read_secrets

VALUE = "hunter2-hunter2"


def read(folder, *command, seconds=20.0):
    return read_secrets([SecretPart(name="TOKEN", command=command)], folder, os.environ, seconds=seconds)


def test_value_is_what_the_program_writes_and_no_shell_reads_its_words(tmp_path):
    assert read(tmp_path, "echo", "$HOME;*") == {"TOKEN": "$HOME;*"}
    assert read(tmp_path, "pwd") == {"TOKEN": str(tmp_path)}


def test_program_that_fails_is_named_without_what_it_wrote(tmp_path):
    with pytest.raises(SpecError, match="ended with exit code 3") as found:
        read(tmp_path, "sh", "-c", f"echo {VALUE}; exit 3")
    assert VALUE not in str(found.value)
    with pytest.raises(SpecError, match="cannot be run: No such file"):
        read(tmp_path, "seatrial-no-such-program")


def test_program_that_takes_too_long_is_ended_with_what_it_started(tmp_path):
    with pytest.raises(SpecError, match=r"within 0\.5 s"):
        read(tmp_path, "sh", "-c", f"echo {VALUE}; sleep 60 & echo $! > pid; wait", seconds=0.5)
    started = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not is_running(started):
            return
        time.sleep(0.05)
    os.kill(started, signal.SIGKILL)
    pytest.fail("what the program started goes on")


def test_program_that_closes_its_output_and_goes_on_is_ended(tmp_path):
    with pytest.raises(SpecError, match=r"within 0\.5 s"):
        read(tmp_path, "sh", "-c", f"echo {VALUE}; exec >&-; sleep 60", seconds=0.5)


def test_program_that_writes_without_end_is_ended(tmp_path):
    with pytest.raises(SpecError, match="longer than 64 KiB"):
        read(tmp_path, "yes", VALUE)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as status:  # noqa: PTH123 - of the kernel
            return status.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
