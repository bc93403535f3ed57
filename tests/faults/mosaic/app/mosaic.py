"""Put a picture together from tiles, in a process of its own, since pictures may be broken."""

import os


def weight(width, height):
    """Return how many bytes a mosaic takes."""
    return width * height * 4


def make(width, height, tile=b"\x7f"):
    """Tell whether a mosaic could be made."""
    child = os.fork()
    if child == 0:
        try:
            canvas = bytearray(tile) * weight(width, height)
            os._exit(0 if canvas[-1] == tile[0] else 1)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0
