"""Collect the files that an image is built from.

Security Monkey's images were built from a checkout with its own modes: where the umask was strict, the web server in
them, which runs as another user, could read none of its files.
"""

import stat
from pathlib import Path


def collect(folder, files):
    """Write files, name to text, into a folder for the build."""
    for name, text in files.items():
        target = Path(folder) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def is_readable_by_others(path):
    """Return whether users other than the owner can read a file."""
    return bool(Path(path).stat().st_mode & stat.S_IROTH)
