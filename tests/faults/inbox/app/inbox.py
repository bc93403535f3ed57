"""Letters that a service leaves for another one of the same group."""

import os
import tempfile
from pathlib import Path


def put(folder, name, content):
    """Write a letter beside its place, and move it there when all of it is on disk."""
    descriptor, beside = tempfile.mkstemp(dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(descriptor, 0o640)
            os.fsync(descriptor)
        return Path(beside).replace(folder / name)
    except BaseException:
        os.unlink(beside)
        raise
