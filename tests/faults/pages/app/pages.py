"""Read a large file block by block, without all of it in memory."""

import mmap

SIZE = 4096


def block(path, number):
    """Return one block."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), SIZE, offset=number * SIZE, access=mmap.ACCESS_READ) as view:
        return bytes(view)
