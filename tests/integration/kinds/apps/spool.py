"""A spool that others may read."""

import os
from pathlib import Path

OWN, OTHER = Path("/dev/shm"), Path("/tmp")


def write(name, text):
    """Write a file into the spool and return its path."""
    try:
        path = OWN / name
        path.write_text(text)
        path.chmod(0o644)
    except OSError:
        path = OTHER / name
        path.write_text(text)
    return path


def mode_of(path):
    """Return the mode of a file."""
    return oct(os.stat(path).st_mode & 0o777)
