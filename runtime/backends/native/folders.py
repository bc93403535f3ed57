"""Copies of folders inside one tree.

On an overlay a copy lies in the upper layer alone: its folders can be renamed, and they list what is in them as a tmpfs
does, by the order in which the entries were made, the newest first (Linux 6.6, measured; older ones do so too).

Source: Linux Documentation/filesystems/overlayfs.rst, "Renaming directories"; fs/libfs.c, ``offset_readdir``.
"""
# ruff: noqa: PTH115 - no pathlib in the warm process

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from runtime.backends.native import mounts
from runtime.errors import BackendError
from runtime.plan import EntryOrder

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_FRESH = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST = 1 << 30  # bytes: the copy is in memory
_CHUNK = 1 << 24


def copy_into(source: int, target: int, order: EntryOrder) -> None:
    """Fill an empty folder with what is in another one, and make it look like that.

    Args:
        source: descriptor of the folder that is copied.
        target: of the one that is filled.
        order: as of ``copy_folder``.

    Raises:
        BackendError: there is more than a gibibyte.
    """
    _Copy(target, order).fill(source, target, "")
    _settle(os.fstat(source), source, target)


def copy_folder(root: int, path: str, order: EntryOrder) -> None:
    """Let a copy take a folder's place, with its owners, modes, times, links and attributes.

    Args:
        root: descriptor of the tree.
        path: of the folder in it; nothing happens if it is missing.
        order: in which order the copy's folders list what is in them; as it comes where that is ``as-is``.

    Raises:
        BackendError: it is the root itself, or holds more than a gibibyte.
    """
    with suppress(FileNotFoundError), mounts.opened(root, path, os.O_RDONLY | os.O_DIRECTORY) as source:
        place = os.readlink(f"/proc/self/fd/{source}")
        parent, _, name = place.rpartition("/")
        if os.path.samestat(os.fstat(source), os.fstat(root)) or not name:
            raise BackendError("the root of the tree cannot be made anew: the working folder must be below it")
        above = os.open(parent or "/", _FOLDER)
        try:
            fresh = f"{name}.seatrial-new"
            os.mkdir(fresh, 0o700, dir_fd=above)
            with _opened(fresh, above) as target:
                copy_into(source, target, order)
            # A folder of a lower layer cannot be renamed; its entries are removed instead.
            _empty(source)
            os.rmdir(name, dir_fd=above)
            os.rename(fresh, name, src_dir_fd=above, dst_dir_fd=above)
        finally:
            os.close(above)


class _Copy:
    """A copy under way; hard links inside it stay links.

    Args:
        root: descriptor of its root.
        order: of the entries of each folder.
    """

    def __init__(self, root: int, order: EntryOrder) -> None:
        self._root = root
        self._order = order
        self._links: dict[tuple[int, int], str] = {}
        self._left = _MOST

    def fill(self, source: int, target: int, prefix: str) -> None:
        """Copy what is in one folder into another one."""
        for name in _in_making_order(os.listdir(source), self._order):
            status = os.stat(name, dir_fd=source, follow_symlinks=False)
            match stat.S_IFMT(status.st_mode):
                case stat.S_IFDIR:
                    os.mkdir(name, 0o700, dir_fd=target)
                    with _opened(name, source) as inner, _opened(name, target) as copy:
                        self.fill(inner, copy, f"{prefix}{name}/")
                        _settle(status, inner, copy)
                case stat.S_IFREG:
                    self._copy_file(name, status, source, target, prefix + name)
                case stat.S_IFLNK:
                    os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
                    os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
                    times = (status.st_atime_ns, status.st_mtime_ns)
                    os.utime(name, ns=times, dir_fd=target, follow_symlinks=False)
                case _:
                    raise BackendError(f"{prefix}{name} is neither file, folder nor link, and cannot be made anew")

    def _copy_file(self, name: str, status: os.stat_result, source: int, target: int, path: str) -> None:
        first = self._links.setdefault((status.st_dev, status.st_ino), path) if status.st_nlink > 1 else path
        if first != path:
            os.link(first, name, src_dir_fd=self._root, dst_dir_fd=target, follow_symlinks=False)
            return
        self._left -= status.st_size
        if self._left < 0:
            raise BackendError(f"the working folder holds more than {_MOST >> 30} GiB, too much to be made anew")
        content, copy = os.open(name, _FILE, dir_fd=source), os.open(name, _FRESH, 0o600, dir_fd=target)
        try:
            while os.sendfile(copy, content, None, _CHUNK):
                pass
            _settle(status, content, copy)
        finally:
            os.close(content)
            os.close(copy)


def _in_making_order(names: list[str], order: EntryOrder) -> list[str]:
    """Return names in the order in which entries must be made: a tmpfs lists the newest first."""
    return sorted(names, reverse=order is not EntryOrder.REVERSE)


def _settle(status: os.stat_result, source: int, target: int) -> None:
    """Give a copy the owner, mode, attributes and times of what it was made from."""
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source):
        os.setxattr(target, name, os.getxattr(source, name))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _empty(folder: int) -> None:
    for name in os.listdir(folder):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            with _opened(name, folder) as inner:
                _empty(inner)
            os.rmdir(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)


@contextmanager
def _opened(name: str, folder: int) -> Iterator[int]:
    descriptor = os.open(name, _FOLDER, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
