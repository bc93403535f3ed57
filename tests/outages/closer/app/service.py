"""Start a service in the background by Debian's own start-stop-daemon.

Where systemd sets no limit for Docker, a container may open 2^30 - 8 files; rpm, yum, cron and many a daemon close
each possible descriptor one by one when they start, and do so for minutes or hours. This program still does.
"""

import subprocess
import time
from pathlib import Path


def start(command, mark, seconds):
    """Start a command that makes the file ``mark`` when it runs, and return whether it did so in time."""
    daemon = subprocess.Popen(
        ["start-stop-daemon", "--start", "--background", "--exec", command[0], "--", *command[1:]],
        start_new_session=True,
    )
    daemon.wait(timeout=seconds)
    end = time.monotonic() + seconds
    while not Path(mark).exists() and time.monotonic() < end:
        time.sleep(0.01)
    return Path(mark).exists()
