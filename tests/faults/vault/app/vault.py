"""Keep a secret, and know how old it is."""

import secrets
import struct
import time

HEAD = struct.Struct("<q")


class Watch:
    """Measures how long something takes."""

    def __init__(self):
        self._start = time.monotonic()

    def seconds(self):
        """Return how long it has been."""
        return time.monotonic() - self._start


def secret():
    """Return a new one."""
    return secrets.token_urlsafe(18)


def store(path, text):
    """Write a secret down with the time."""
    path.write_bytes(HEAD.pack(int(time.time())) + text.encode())


def load(path):
    """Return it."""
    return path.read_bytes()[HEAD.size :].decode()


def age(path):
    """Return how many seconds ago it was written down, by the clock that wrote it."""
    return time.time() - HEAD.unpack_from(path.read_bytes())[0]
