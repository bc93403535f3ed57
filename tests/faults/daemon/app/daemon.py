"""Start a program that outlives whoever starts it."""

import os
import subprocess
import time


def start(seconds):
    """Start a program in the background and return its process id."""
    line = f"sleep {seconds} >/dev/null 2>&1 & echo $!"
    done = subprocess.run(["/bin/sh", "-c", line], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True)
    return int(done.stdout)


def has_ended(pid, within=3.0):
    """Tell whether a program is gone before the time is up."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
