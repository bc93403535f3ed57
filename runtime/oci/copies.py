"""Copy unpacked layers: sharing blocks where the file system can, and never through a link."""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable

from runtime.data import dataclass, field
from runtime.oci.folder import OPAQUE
from runtime.oci.owners import OURS, ROOT, Owner, Owners
from runtime.oci.trees import empty_folder

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOATIME
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FICLONE = 0x40049409  # linux/fs.h
_CHUNK = 1 << 24
_NO_CLONE = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY)


def copy_tree(source: int, target: int, *, mode: Callable[[int, Owner], int]) -> None:
    """Copy a layer as one user meets it, with times, attributes, whiteouts, and links among its files.

    Args:
        source: descriptor of the layer; it is not changed meanwhile.
        target: of an empty directory that nobody else writes to; all in it is then of whoever copies.
        mode: of a copy, from the permission bits and the owner of what is copied.
    """
    os.umask(0)
    copy = _Copy(root=target, mode=mode)
    copy.fill(source, target, "")
    copy.settle(os.fstat(source), ROOT, source, target)


def merge_trees(target: int, *layers: int) -> None:
    """Copy layers to one tree, as an overlay shows them: with owners, modes, times and attributes.

    Args:
        target: descriptor of an empty directory that nobody else writes to.
        layers: those of the layers, the lowest first; they are not changed meanwhile.
    """
    os.umask(0)
    for each in layers:
        copy = _Copy(root=target)
        copy.fill(each, target, "")
        copy.settle(os.fstat(each), ROOT, each, target)


@dataclass(slots=True, kw_only=True)
class _Copy:
    """A copy under way.

    Args:
        root: descriptor of its root.
        mode: as of ``copy_tree``; None merges, into a tree that may hold lower layers.
    """

    root: int
    mode: Callable[[int, Owner], int] | None = None
    owners: Owners = field(default_factory=Owners.here)
    links: dict[int, str] = field(default_factory=dict)

    def fill(self, source: int, target: int, prefix: str) -> None:
        """Copy what is in one folder into another one."""
        for name in sorted(os.listdir(source)):
            status = os.stat(name, dir_fd=source, follow_symlinks=False)
            if self.mode is None:
                _make_room(name, source, target, status)
            match stat.S_IFMT(status.st_mode):
                case stat.S_IFDIR:
                    self._copy_folder(name, status, source, target, prefix)
                case stat.S_IFREG:
                    self._copy_file(name, status, source, target, prefix)
                case stat.S_IFLNK:
                    self._copy_link(name, status, source, target)
                case _:  # a whiteout: layers hold nothing else
                    if self.mode is not None:
                        os.mknod(name, stat.S_IFCHR, 0, dir_fd=target)

    def settle(self, status: os.stat_result, owner: Owner, source: int, target: int) -> None:
        """Give a copy its owner, mode, attributes and time; a new owner clears bits of the mode, so it comes first."""
        mode = stat.S_IMODE(status.st_mode)
        if self.mode is None:
            self.owners.give(target, owner)
        os.fchmod(target, mode if self.mode is None else self.mode(mode, owner))
        for key in os.listxattr(source):
            if not key.startswith(OURS) and (self.mode is not None or key != OPAQUE):
                os.setxattr(target, key, os.getxattr(source, key))
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _copy_link(self, name: str, status: os.stat_result, source: int, target: int) -> None:
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        if self.mode is None:
            self.owners.give_name(name, self.owners.of_name(name, status, folder=source), folder=target)
        os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target, follow_symlinks=False)

    def _copy_folder(self, name: str, status: os.stat_result, source: int, target: int, prefix: str) -> None:
        with contextlib.suppress(FileExistsError):  # of a lower layer
            os.mkdir(name, 0o700, dir_fd=target)
        inner, copy = (os.open(name, _OPEN_FOLDER, dir_fd=each) for each in (source, target))
        try:
            self.fill(inner, copy, f"{prefix}{name}/")
            self.settle(status, self.owners.of_name(name, status, folder=source), inner, copy)
        finally:
            os.close(inner)
            os.close(copy)

    def _copy_file(self, name: str, status: os.stat_result, source: int, target: int, prefix: str) -> None:
        first = self.links.setdefault(status.st_ino, prefix + name) if status.st_nlink > 1 else prefix + name
        if first != prefix + name:
            os.link(first, name, src_dir_fd=self.root, dst_dir_fd=target, follow_symlinks=False)
            return
        content = os.open(name, _OPEN_FILE, dir_fd=source)
        try:
            copy = os.open(name, _CREATE, 0o600, dir_fd=target)
            try:
                _copy_content(content, copy, status.st_size)
                self.settle(status, self.owners.of_name(name, status, folder=source), content, copy)
            finally:
                os.close(copy)
        finally:
            os.close(content)


def _make_room(name: str, source: int, target: int, status: os.stat_result) -> None:
    """Remove what a lower layer has under a name, but a folder that a folder is merged into."""
    try:
        below = os.stat(name, dir_fd=target, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(below.st_mode):
        os.unlink(name, dir_fd=target)
    elif not stat.S_ISDIR(status.st_mode) or _is_opaque(name, source):
        inner = os.open(name, _OPEN_FOLDER, dir_fd=target)
        try:
            empty_folder(inner)
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=target)


def _is_opaque(name: str, folder: int) -> bool:
    descriptor = os.open(name, _OPEN_FOLDER, dir_fd=folder)
    try:
        return OPAQUE in os.listxattr(descriptor)
    finally:
        os.close(descriptor)


def _copy_content(source: int, target: int, size: int) -> None:
    """Share the blocks where the file system can, and copy inside the kernel elsewhere."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno not in _NO_CLONE:
            raise
        left = size
        while left > 0:
            copied = os.sendfile(target, source, None, min(left, _CHUNK))
            if not copied:
                raise OSError(errno.ESTALE, "a file of a layer became shorter") from error
            left -= copied
