import signal
import sys

import pytest
import relay


def test_output_of_a_command():
    assert relay.output([sys.executable, "-c", "print(7)"]) == "7"


def test_command_sees_no_input():
    assert relay.output([sys.executable, "-c", "import sys; print(len(sys.stdin.read()))"]) == "0"


def test_interrupt_ends_a_command():
    assert relay.interrupted([sys.executable, "-c", "import time; print(flush=True); time.sleep(30)"]) == -signal.SIGINT


def test_missing_command_is_told():
    with pytest.raises(FileNotFoundError):
        relay.output(["no-such-command"])
