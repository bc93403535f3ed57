"""Fetch packages, and keep them for the next time.

On OpenShift, HOME is / for a user who may not write there: "npm ERR! code EACCES, syscall mkdir, path /.npm", and
nothing is installed.
"""

from pathlib import Path


def cache():
    """Return the folder of the cache, which is there afterwards."""
    folder = Path.home() / ".npm" / "_cacache"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
