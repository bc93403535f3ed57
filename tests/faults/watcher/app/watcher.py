"""Notice files that others put into a folder."""

import ctypes
import os
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
IN_CLOSE_WRITE = 8


class Watcher:
    """Watches one folder."""

    def __init__(self, folder):
        self.descriptor = LIBC.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if LIBC.inotify_add_watch(self.descriptor, os.fsencode(folder), IN_CLOSE_WRITE) < 0:
            raise OSError(ctypes.get_errno(), "cannot watch", str(folder))

    def noticed(self):
        """Return the names of files that were written since it was asked last."""
        try:
            return names(os.read(self.descriptor, 4096))
        except BlockingIOError:
            return []

    def close(self):
        os.close(self.descriptor)


def names(events):
    """Return the names in what the kernel tells."""
    found = []
    while events:
        length = struct.unpack_from("I", events, 12)[0]
        found.append(events[16 : 16 + length].rstrip(b"\0").decode())
        events = events[16 + length :]
    return found
