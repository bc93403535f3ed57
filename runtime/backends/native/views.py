"""A layer as one user meets it: a second tree whose permission bits are those of the class that the user falls in.

Only where the kernel has one id. Without it a program would own every file of its image: it could write to /etc and
read /etc/shadow, whoever it is said to be. A view is made once for a layer and a user, beside the layer's own tree.
"""

import errno
import fcntl
import functools
import os
import stat
from contextlib import suppress
from pathlib import Path

from runtime.backends.native.mapped import run_mapped
from runtime.backends.native.one_id import seen_mode
from runtime.data import dataclass, field
from runtime.errors import StoreError
from runtime.oci import temporary
from runtime.oci.owners import OURS, Owners
from runtime.oci.trees import empty_folder, sync_tree
from runtime.plan import User

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOATIME
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FICLONE = 0x40049409  # linux/fs.h
_CHUNK = 1 << 24
_NO_CLONE = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY)


def view_of(layer: Path, user: User, *, one_id: bool | None = None) -> Path:
    """Return the tree of a layer as ``user`` meets it; it is made if it is not there.

    Args:
        layer: an unpacked layer whose owners are recorded; it is never changed.
        user: who meets it.
        one_id: as of ``read_id_map``.

    Raises:
        StoreError: the folder beside the layer cannot be written.
    """
    target = layer.with_name(f"{layer.name}.{user.uid}-{user.gid}")
    if target.is_dir():
        return target
    locks = layer.parent / ".locks"
    try:
        locks.mkdir(exist_ok=True)
        with (locks / target.name).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.is_dir():
                _make(layer, user, target, one_id=one_id)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror} ({error.filename})") from error
    return target


def _make(layer: Path, user: User, target: Path, *, one_id: bool | None) -> None:
    with temporary.new_folder(layer.parent) as folder:
        try:
            fill = functools.partial(_fill, user=user)
            run_mapped(fill, directories=(layer, folder), one_id=one_id)
            folder.rename(target)
        except BaseException:
            with suppress(OSError):  # what stays is swept by the next start
                run_mapped(empty_folder, directories=(folder,), one_id=one_id)
                folder.rmdir()
            raise


def _fill(layer: int, folder: int, *, user: User) -> None:
    os.umask(0)
    copy = _Copy(root=folder, user=user)
    copy.fill(layer, folder, "")
    copy.settle(os.fstat(layer), (0, 0), layer, folder)
    sync_tree(folder)


@dataclass(slots=True, kw_only=True)
class _Copy:
    """A copy under way.

    Args:
        root: descriptor of its root.
        user: who meets it.
    """

    root: int
    user: User
    owners: Owners = field(default_factory=Owners.here)
    links: dict[int, str] = field(default_factory=dict)

    def fill(self, source: int, target: int, prefix: str) -> None:
        """Copy what is in one folder into another one."""
        for name in sorted(os.listdir(source)):
            status = os.stat(name, dir_fd=source, follow_symlinks=False)
            match stat.S_IFMT(status.st_mode):
                case stat.S_IFDIR:
                    self._copy_folder(name, status, source, target, prefix)
                case stat.S_IFREG:
                    self._copy_file(name, status, source, target, prefix)
                case stat.S_IFLNK:
                    os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
                    times = (status.st_atime_ns, status.st_mtime_ns)
                    os.utime(name, ns=times, dir_fd=target, follow_symlinks=False)
                case _:
                    os.mknod(name, stat.S_IFCHR, 0, dir_fd=target)  # a whiteout: layers hold nothing else

    def settle(self, status: os.stat_result, owner: tuple[int, int], source: int, target: int) -> None:
        """Give a copy its mode, attributes and time."""
        os.fchmod(target, seen_mode(stat.S_IMODE(status.st_mode), owner, self.user))
        for key in os.listxattr(source):
            if not key.startswith(OURS):
                os.setxattr(target, key, os.getxattr(source, key))
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _copy_folder(self, name: str, status: os.stat_result, source: int, target: int, prefix: str) -> None:
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
