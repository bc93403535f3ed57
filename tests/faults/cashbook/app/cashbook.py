"""A cashbook: one entry after the other, each with the time at which it was made."""

import struct
import time

ENTRY = struct.Struct("<iq")  # seconds, cents


def add(path, amount):
    """Append an entry."""
    with path.open("ab") as file:
        file.write(ENTRY.pack(int(time.time()), amount))


def entries(path):
    """Return each entry's time and amount."""
    return list(ENTRY.iter_unpack(path.read_bytes()))
