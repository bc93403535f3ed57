"""``Below``: what unpacked layers show together, where nothing writes to them and no file system is mounted for it.

Source: Linux Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence

from runtime.oci.folder import is_opaque, is_whiteout

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = _READ | os.O_DIRECTORY


class Below:
    """Some layers, looked at by paths that are relative and normal; no link is followed.

    Args:
        layers: their descriptors, the nearest first; they stay open.
    """

    def __init__(self, layers: Sequence[int]) -> None:
        self._folders: dict[bytes, tuple[int, ...]] = {b"": tuple(layers)}

    def folder(self, path: bytes) -> tuple[int, ...]:
        """Return the layers that have the folder that is seen at ``path``, the nearest first; none where none is."""
        known = self._folders.get(path)
        if known is None:
            known = self._folders[path] = tuple(self._with_folder(path))
        return known

    def status(self, path: bytes) -> os.stat_result | None:
        """Return what ``lstat`` says of what is seen at ``path``; None where nothing is."""
        found = self._find(path)
        return found[0] if found else None

    def link(self, path: bytes) -> bytes:
        """Return where the link at ``path`` leads; empty where none is."""
        found = self._find(path)
        return os.readlink(path, dir_fd=found[1]) if found and stat.S_ISLNK(found[0].st_mode) else b""

    def read(self, path: bytes, *, limit: int) -> bytes | None:
        """Return the content of the file at ``path``; None where none is seen, or one of more than ``limit`` bytes."""
        found = self._find(path)
        if not found or not stat.S_ISREG(found[0].st_mode) or found[0].st_size > limit:
            return None
        with os.fdopen(os.open(path, _READ, dir_fd=found[1]), "rb") as file:
            return file.read(limit)

    def names(self, path: bytes) -> set[str]:
        """Return the names that are seen in the folder at ``path``; none where none is."""
        shown: set[str] = set()
        known: set[str] = set()
        for layer in self.folder(path):
            with _opened(path, layer) as folder:
                for name in os.listdir(folder):  # noqa: PTH208 - a descriptor has no path
                    if name not in known and not is_whiteout(os.stat(name, dir_fd=folder, follow_symlinks=False)):
                        shown.add(name)
                    known.add(name)
        return shown

    def _find(self, path: bytes) -> tuple[os.stat_result, int] | None:
        """Return what ``lstat`` says of what is seen at ``path``, and the layer that has it."""
        for layer in self.folder(path.rpartition(b"/")[0]):
            status = _status(path, layer)
            if status is not None:
                return None if is_whiteout(status) else (status, layer)
        return None

    def _with_folder(self, path: bytes) -> Iterator[int]:
        for layer in self.folder(path.rpartition(b"/")[0]):
            status = _status(path, layer)
            if status is None:
                continue
            if not stat.S_ISDIR(status.st_mode):
                return
            yield layer
            with _opened(path, layer) as folder:
                if is_opaque(folder):
                    return


@contextlib.contextmanager
def _opened(path: bytes, layer: int) -> Iterator[int]:
    descriptor = os.open(path or b".", _FOLDER, dir_fd=layer)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _status(path: bytes, layer: int) -> os.stat_result | None:
    """Return what ``lstat`` says of a path of which all folders above it are folders in this layer."""
    try:
        return os.stat(path, dir_fd=layer, follow_symlinks=False)
    except FileNotFoundError:
        return None
