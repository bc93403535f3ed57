"""Stitch pictures together in a file that is mapped into memory."""

import os
import tempfile

QUICK = "/dev/shm"


def panorama(pictures):
    """Return how large all are together."""
    folder = QUICK if os.access(QUICK, os.W_OK | os.X_OK) else None
    with tempfile.TemporaryFile(dir=folder) as file:
        for picture in pictures:
            file.write(picture)
        return file.tell()
