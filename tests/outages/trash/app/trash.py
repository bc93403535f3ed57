"""Throw files away, and remember when.

rmw kept the time in 32 bits with a sign: from 19 January 2038 on, what was thrown away today was thrown away in 1901,
and its tests failed.
"""

import struct
import time


def record(name):
    """Return the entry of a file that is thrown away now."""
    return struct.pack("<i", int(time.time())) + name.encode()


def name(entry):
    """Return the name of the file of an entry."""
    return entry[4:].decode()
