"""A program that ends while the end of a verification is being loaded ends as it wants to."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys, time
from pipeline.cli.ahead import loading_ahead
from pipeline.verify.events import RunFinished
tell = loading_ahead(lambda _: None, signs=True)
tell(RunFinished(environment="web", host="reference", index=0, is_cached=False, duration=1))
time.sleep({seconds})
sys.exit(7)
"""


@pytest.mark.parametrize("milliseconds", range(0, 300, 30))
def test_exit_code_is_kept_whenever_the_program_ends(milliseconds):
    command = [sys.executable, "-c", PROGRAM.format(seconds=milliseconds / 1000)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (7, "")
