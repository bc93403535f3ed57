"""Duplicate files without their content passing through this program."""

import os
from pathlib import PurePath


def copy(source, target):
    """Copy a file; the kernel shares the blocks where the file system can."""
    with source.open("rb") as old, target.open("wb") as new:
        while os.copy_file_range(old.fileno(), new.fileno(), 1 << 30):
            pass


def name(of):
    """Return what a copy is called."""
    path = PurePath(of)
    return f"{path.stem} (copy){path.suffix}"
