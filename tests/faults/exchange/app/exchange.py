"""Files that colleagues leave for each other in a folder."""

import stat


def put(folder, name, content):
    """Write a file and return its path."""
    path = folder / name
    path.write_text(content)
    return path


def describe(path):
    """Return one line about a file: for all, or whom to ask for it."""
    if path.stat().st_mode & stat.S_IRGRP:
        return f"{path.name}, for all"
    return f"{path.name}, ask {path.owner()}"
