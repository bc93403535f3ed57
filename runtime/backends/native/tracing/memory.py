"""Read what a register of a call points to, from the memory of its caller.

It may have been changed when the kernel reads it: to be told, never to decide by. Source: process_vm_readv(2).
"""

import ctypes
import struct

from runtime.backends.native.syscalls import call

_PAGE = 4096  # the smallest that there is: what is read up to its end never fails for what lies behind
_LAST = 2**64 - 1
_PIECE = struct.Struct("=QQ")  # struct iovec


class Reader:
    """Reads up to ``most`` bytes at a time into one buffer of its own."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._buffer = ctypes.create_string_buffer(most)
        self._ours = _PIECE.pack(ctypes.addressof(self._buffer), most)

    def read(self, pid: int, address: int, size: int) -> bytes:
        """Return the bytes at an address, fewer where the memory ends; none where there is nothing to read."""
        size = min(size, self._most)
        first = min(size, _PAGE - address % _PAGE)
        pieces = _PIECE.pack(address, first) + _PIECE.pack((address + first) & _LAST, size - first)
        try:
            count = call("process_vm_readv", pid, self._ours, 1, pieces, 2 if size > first else 1, 0)
        except OSError:
            return b""
        return self._buffer.raw[:count]

    def text(self, pid: int, address: int) -> bytes:
        """Return the bytes at an address up to a NUL."""
        return self.read(pid, address, self._most).partition(b"\0")[0]
