"""Write gzip whose bytes depend on the content alone.

One member per 4 MiB of input, cut at fixed places, by one version of one library at one level. Another version of the
library is an error and never another digest. The host's zlib is not used for writing: its bytes differ between builds.
"""

import deflate

from runtime.errors import SeatrialError

MEMBER = 4 * 1024 * 1024
"""Bytes of input in each member but the last."""

LEVEL = 1
"""Half the time of level 6, for layers that are 8 % larger (Debian's python3 and python3-pip)."""

LIBRARY = "0.9.0"
"""The version of ``deflate`` whose bytes are those of layers."""

# Source: RFC 1952 section 2.3.1: deflate, no flags, no time, the fastest algorithm, operating system unknown.
_HEADER = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 4, 255])


def compress_member(content: bytes) -> bytes:
    """Return one gzip member that holds ``content``.

    Raises:
        SeatrialError: the library that is installed writes other bytes than layers have.
    """
    if deflate.__version__ != LIBRARY:
        message = (
            f"layers are written by deflate {LIBRARY}, and {deflate.__version__} is installed: digests would differ"
        )
        raise SeatrialError(message, hint=f"pip install deflate=={LIBRARY}")
    member = bytes(deflate.gzip_compress(content, LEVEL))
    if member[:10] != _HEADER:
        raise SeatrialError(f"deflate wrote the gzip header {member[:10].hex()}, expected {_HEADER.hex()}")
    return member
