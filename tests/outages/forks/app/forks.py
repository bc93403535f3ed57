"""Start every extension of a web interface in a process of its own.

SD.Next started so many processes and threads that the container's limit was reached: "fork: retry: Resource
temporarily unavailable".
"""

import os
import signal

EXTENSIONS = 24


def start():
    """Start all extensions, and return how many run; they are ended again."""
    started = []
    try:
        for _ in range(EXTENSIONS):
            child = os.fork()
            if child == 0:
                signal.pause()
            started.append(child)
        return len(started)
    finally:
        for child in started:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
