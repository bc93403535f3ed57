"""A copy of a program in memory that nobody can write, whatever rights they have over the file that it came from."""

import fcntl
import os

_F_ADD_SEALS = 1033  # linux/fcntl.h
_ALL_SEALS = 0x0001 | 0x0002 | 0x0004 | 0x0008  # F_SEAL_SEAL, _SHRINK, _GROW, _WRITE


def sealed_copy(original: int, name: str, *, mode: int = 0o500) -> int:
    """Return a descriptor of the copy, to be executed.

    Args:
        original: an open program.
        name: what ``/proc/PID/exe`` shows behind ``/memfd:``.
        mode: of the copy; who executes it must be allowed to.

    Source: memfd_create(2), "File sealing".
    """
    copy = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    size = os.fstat(original).st_size
    while size:
        size -= os.sendfile(copy, original, None, size)
    os.fchmod(copy, mode)
    fcntl.fcntl(copy, _F_ADD_SEALS, _ALL_SEALS)
    return copy
