"""A file of readings: a head of magic and count, then a time and a value each, the most significant byte first."""

import struct

MAGIC = b"RDG1"
HEAD = struct.Struct(">4sI")
READING = struct.Struct(">Qd")


def pack(readings):
    """Return the file of some pairs of time and value."""
    body = b"".join(READING.pack(*each) for each in readings)
    return HEAD.pack(MAGIC, len(readings)) + body


def unpack(content):
    """Return the pairs that a file holds."""
    magic, count = HEAD.unpack_from(content)
    if magic != MAGIC:
        raise ValueError("no file of readings")
    return [READING.unpack_from(content, HEAD.size + each * READING.size) for each in range(count)]
