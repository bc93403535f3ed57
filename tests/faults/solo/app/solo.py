"""Run once at a time: a file says which process it is, in a field of fixed width, so that it can be overwritten."""

import os

WIDTH = 5


def take(path):
    """Write down that it is this process."""
    path.write_text(f"{os.getpid():>{WIDTH}}"[:WIDTH] + "\n")


def owner(path):
    """Return the process id that was written down, or None."""
    return int(path.read_text()) if path.exists() else None
