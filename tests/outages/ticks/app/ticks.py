"""Milliseconds since the machine was started.

SmallBASIC kept them in 32 bits: TICKS() stopped working 49.7 days after a boot. Here a number that does not fit is an
error, and no silent zero.
"""

import struct
import time


def ticks():
    """Return the milliseconds as the record on the wire has them."""
    return struct.pack("<I", time.monotonic_ns() // 1_000_000)
