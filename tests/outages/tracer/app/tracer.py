"""Trace for a while, and write what was seen.

A tool of bcc was started in the background of a script and ended by `kill -SIGINT`: it ran on, since a shell has its
background jobs ignore SIGINT, and Python leaves an ignored signal ignored.
"""

import signal
import subprocess
import sys

TOOL = """
import time
try:
    print("tracing", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("3 events", flush=True)
"""


def trace(seconds):
    """Start the tool, interrupt it, and return what it has written; it has some seconds to end."""
    tool = subprocess.Popen([sys.executable, "-c", TOOL], stdout=subprocess.PIPE, text=True)
    try:
        begun = tool.stdout.readline()
        tool.send_signal(signal.SIGINT)
        return begun + tool.communicate(timeout=seconds)[0]
    finally:
        tool.kill()
        tool.wait()
