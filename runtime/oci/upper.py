"""What an overlay leaves in its upper directory, made a function of what was written.

A kernel marks a new folder as opaque where it may, to save itself a look into the lower layers: the mark says nothing
of what was written, and other kernels set it elsewhere. Where the folder does hide something, whiteouts say so.

Source: Linux fs/overlayfs/dir.c, ``ovl_create_upper``: "Setting opaque here is just an optimization".
"""

import os
import stat
from collections.abc import Iterator, Sequence

from runtime.oci.folder import OPAQUE, is_opaque, is_whiteout

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def settle_upper(upper: int, *below: int) -> None:
    """Replace the opaque marks of an upper directory by whiteouts of what they hide.

    Args:
        upper: its descriptor, as user 0 of the mapped ids.
        below: descriptors of the layers under it, the lowest first.
    """
    _settle(upper, tuple(os.dup(each) for each in reversed(below)))


def _settle(upper: int, below: tuple[int, ...]) -> None:
    """Settle a folder and all in it; the descriptors of the same folder below, the nearest first, are closed."""
    try:
        if is_opaque(upper):
            for name in sorted(_visible(below) - set(os.listdir(upper))):
                os.mknod(name, stat.S_IFCHR, 0, dir_fd=upper)
            os.removexattr(upper, OPAQUE)
        for name in sorted(os.listdir(upper)):
            if stat.S_ISDIR(os.stat(name, dir_fd=upper, follow_symlinks=False).st_mode):
                inner = os.open(name, _FOLDER, dir_fd=upper)
                try:
                    _settle(inner, tuple(_folders(name, below)))
                finally:
                    os.close(inner)
    finally:
        for each in below:
            os.close(each)


def _visible(below: Sequence[int]) -> set[str]:
    """Return the names that the layers show in a folder."""
    found: set[str] = set()
    hidden: set[str] = set()
    for layer in below:
        for name in os.listdir(layer):  # noqa: PTH208 - a descriptor has no path
            if is_whiteout(os.stat(name, dir_fd=layer, follow_symlinks=False)):
                hidden.add(name)
            elif name not in hidden:
                found.add(name)
        hidden |= found
    return found


def _folders(name: str, below: Sequence[int]) -> Iterator[int]:
    """Yield the descriptors of what the layers show together as one folder."""
    for layer in below:
        try:
            status = os.stat(name, dir_fd=layer, follow_symlinks=False)
        except FileNotFoundError:
            continue
        if not stat.S_ISDIR(status.st_mode):
            return
        descriptor = os.open(name, _FOLDER, dir_fd=layer)
        yield descriptor
        if is_opaque(descriptor):
            return
