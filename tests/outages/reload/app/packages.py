"""Load the packages of a chat server, and load them anew when they change.

The Lounge watched one file and ended with "ENOSPC: System limit for number of file watchers reached" where the
machine had no watch left; programs say "no space left on device" of it, and people look at their disks.
"""

import ctypes
import json
import os

IN_CLOSE_WRITE = 8
LIBC = ctypes.CDLL(None, use_errno=True)


def load(path):
    """Return the names of the packages, and keep a watch on their list."""
    instance = LIBC.inotify_init1(0)
    if LIBC.inotify_add_watch(instance, os.fsencode(path), IN_CLOSE_WRITE) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), path)
    with open(path, encoding="utf-8") as file:
        return sorted(json.load(file)["dependencies"])
