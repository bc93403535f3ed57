import subprocess
import sys

import worldclock


def test_offset_is_printed():
    done = subprocess.run([sys.executable, worldclock.__file__], capture_output=True, check=True)
    assert done.stdout.startswith(b"UTC")


def test_whole_hours_are_plain():
    assert worldclock.offset(-3 * 3600) == "UTC-3"


def test_no_offset_is_utc():
    assert worldclock.offset(0) == "UTC"
