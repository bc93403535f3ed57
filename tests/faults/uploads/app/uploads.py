"""Keep what visitors upload where the web server's group can read it."""

from pathlib import Path


def keep(folder, name, content):
    """Write an upload and return its path."""
    path = Path(folder) / name
    path.write_bytes(content)
    return path
