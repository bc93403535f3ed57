"""Start workers that outlive the request that asked for them, and wait until they are gone.

What is started as process 1 of a container inherits all orphans. An application that does not wait for them leaves a
zombie for each: it is there for whoever asks, and in the end no process can be started any more.
"""

import os
import subprocess
import time

SPAWN = "sleep 0.1 > /dev/null & echo $!"


def start():
    """Start a worker whose parent ends at once, and return its process id."""
    return int(subprocess.run(["sh", "-c", SPAWN], capture_output=True, text=True, check=True).stdout)


def is_gone(pid, seconds):
    """Wait until nobody has this process id, and return whether that was in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False
