"""Wait for a line of a log, as `logs --follow` does.

A node's user has 128 instances of inotify, and every container that watches files takes some: the next one is told
"too many open files", with none open. `kubectl logs -f` could show no log then.
"""

import ctypes
import os
import select

IN_MODIFY = 2
LIBC = ctypes.CDLL(None, use_errno=True)


def watch(path):
    """Return a descriptor that can be read when a file has grown."""
    instance = LIBC.inotify_init1(0)
    if instance < 0 or LIBC.inotify_add_watch(instance, os.fsencode(path), IN_MODIFY) < 0:
        raise OSError(ctypes.get_errno(), f"cannot follow {path}")
    return instance


def next_line(path, write):
    """Return what ``write`` adds to a file."""
    with open(path, encoding="utf-8") as log:
        log.seek(0, os.SEEK_END)
        instance = watch(path)
        write()
        select.select([instance], [], [], 10)
        os.close(instance)
        return log.readline()
