"""What the end of a verification needs is loaded when the first run was made, and not for runs that are known."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys, threading
from pipeline.cli.ahead import loading_ahead
from pipeline.verify.events import RunFinished

told = []
tell = loading_ahead(told.append)
begun = threading.active_count()
event = RunFinished(environment="web", host="reference", index=0, is_cached={cached}, duration=1)
tell(event)
tell(event)
assert threading.active_count() - begun <= 1
for each in threading.enumerate():
    if each.name == "ahead":
        each.join()
assert told == [event, event]
print("pipeline.attesting" in sys.modules)
"""


@pytest.mark.parametrize(("cached", "loaded"), [(False, True), (True, False)])
def test_first_run_that_is_made_loads_what_signs_and_reports(cached, loaded):
    program = PROGRAM.format(cached=cached)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(loaded)
