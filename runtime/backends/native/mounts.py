"""Mounting by descriptor: no path of an image is ever followed out of its own root.

Targets are found by openat2 inside the run's root and named to mount(2) as ``/proc/self/fd/N``: between looking and
mounting nothing can be exchanged (CVE-2021-30465, CVE-2024-45310 were such exchanges).
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from runtime.backends.native.syscalls import call

MS_RDONLY = 1  # linux/mount.h
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_NOATIME = 1024
MS_NODIRATIME = 2048
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_RELATIME = 1 << 21
MNT_DETACH = 2  # linux/fs.h

RESOLVE_NO_MAGICLINKS = 0x02  # linux/openat2.h
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_IN_ROOT = 0x10

_OPEN_TREE_CLONE = 1  # linux/mount.h
_MOVE_MOUNT_EMPTY_PATHS = 0x04 | 0x40  # MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
_AT_EMPTY_PATH = 0x1000  # linux/fcntl.h
_AT_RECURSIVE = 0x8000
# linux/mount.h: MOUNT_ATTR_RDONLY and its like have the values of their MS_ namesakes
_ATTRIBUTES = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC

_PROC_SUPER_MAGIC = 0x9FA0  # linux/magic.h
_SYSFS_MAGIC = 0x62656572
_AT_FDCWD = -100  # linux/fcntl.h
_ST_RELATIME = 4096  # linux/statfs.h; the flags below it have the values of their MS_ namesakes


def mount(source: str | None, target: str, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    """Mount, remount or change propagation.

    Source: the manual page of the same name, section 2.
    """
    call("mount", _bytes(source), target.encode(), _bytes(kind), flags, _bytes(data))


def mount_at(source: str | None, target: int, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    """Mount over what an open descriptor stands for."""
    mount(source, f"/proc/self/fd/{target}", kind, flags, data)


def bind(source: int, target: int) -> None:
    """Show what one descriptor stands for where another one does."""
    mount_at(f"/proc/self/fd/{source}", target, None, MS_BIND)


def bind_with_flags(source: int, target: int, flags: int, *, recursive: bool) -> None:
    """Show what one descriptor stands for where another one does, private, with flags that hold from the beginning.

    Args:
        source: what is shown.
        target: where.
        flags: of MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC; they hold for what is mounted below, too.
        recursive: whether what is mounted below the source comes along.

    Source: open_tree(2), mount_setattr(2), move_mount(2).
    """
    below = _AT_RECURSIVE if recursive else 0
    tree = call("open_tree", source, b"", _AT_EMPTY_PATH | _OPEN_TREE_CLONE | os.O_CLOEXEC | below)
    try:
        attributes = struct.pack("QQQQ", flags & _ATTRIBUTES, 0, MS_PRIVATE, 0)
        flags_of_call = _AT_EMPTY_PATH | _AT_RECURSIVE
        call("mount_setattr", tree, b"", flags_of_call, ctypes.c_char_p(attributes), len(attributes))
        call("move_mount", tree, b"", target, b"", _MOVE_MOUNT_EMPTY_PATHS)
    finally:
        os.close(tree)


def remount(target: int, flags: int) -> None:
    """Add flags to the mount that a descriptor is the root of; its other flags stay (some are locked)."""
    shown = os.fstatvfs(target).f_flag
    kept = shown & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME)
    relative = MS_RELATIME if shown & _ST_RELATIME else 0
    mount_at(None, target, None, MS_REMOUNT | MS_BIND | flags | kept | relative)


def remount_read_only(target: int) -> None:
    """Forbid writing through the mount that a descriptor is the root of."""
    remount(target, MS_RDONLY)


def pivot(root: int) -> None:
    """Make what ``root`` stands for the root of this mount namespace, and detach all that was there before."""
    os.fchdir(root)
    call("pivot_root", b".", b".")
    call("umount2", b".", MNT_DETACH)
    os.chdir("/")


def open_inside(root: int, path: str, flags: int, *, links: bool = True) -> int:
    """Open a path inside a root: ``..`` and absolute links stay in it, links of procfs are never followed.

    Args:
        root: descriptor of the root directory.
        path: relative to it; a leading slash is the root.
        flags: of open(2); O_CLOEXEC is added.
        links: False refuses any symbolic link on the way (ELOOP).

    Source: openat2(2).
    """
    resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (0 if links else RESOLVE_NO_SYMLINKS)
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, resolve)
    inside = os.fsencode(path.lstrip("/")) or b"."
    return call("openat2", root, inside, ctypes.c_char_p(how), len(how))


def open_without_magic(path: bytes, flags: int) -> int:
    """Open a path from the working folder, through any links but those of procfs (ELOOP). Source: openat2(2)."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, RESOLVE_NO_MAGICLINKS)
    return call("openat2", _AT_FDCWD, path, ctypes.c_char_p(how), len(how))


@contextmanager
def opened(root: int, path: str, flags: int = os.O_PATH, *, links: bool = True) -> Iterator[int]:
    """Open a path inside a root for the length of a block."""
    descriptor = open_inside(root, path, flags, links=links)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def directory(root: int, path: str, mode: int = 0o755) -> Iterator[int]:
    """Open a folder inside a root, made with its parents where it is missing."""
    parts = [each for each in path.split("/") if each not in ("", ".")]
    for depth in range(1, len(parts) + 1):
        _make_missing(root, parts[:depth], mode if depth == len(parts) else 0o755)
    with opened(root, "/".join(parts), os.O_PATH | os.O_DIRECTORY) as descriptor:
        yield descriptor


@contextmanager
def file_target(root: int, path: str) -> Iterator[int]:
    """Open a file inside a root as a mount point, made empty where it is missing."""
    parent, _, name = path.rstrip("/").rpartition("/")
    with directory(root, parent) as folder, suppress(FileExistsError):
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(name, flags, 0o644, dir_fd=folder))
    with opened(root, path) as descriptor:
        yield descriptor


def is_kernel_file_system(descriptor: int) -> bool:
    """Tell whether a descriptor is on procfs or sysfs."""
    return file_system(descriptor) in (_PROC_SUPER_MAGIC, _SYSFS_MAGIC)


def file_system(descriptor: int) -> int:
    """Return the magic number of the file system that a descriptor is on. Source: fstatfs(2); linux/magic.h."""
    raw = ctypes.create_string_buffer(256)  # struct statfs begins with the type, a long
    call("fstatfs", descriptor, raw)
    return int(struct.unpack_from("l", raw.raw)[0])


def is_folder(descriptor: int) -> bool:
    """Tell whether a descriptor stands for a folder."""
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


def _make_missing(root: int, parts: list[str], mode: int) -> None:
    try:
        with opened(root, "/".join(parts), os.O_PATH | os.O_DIRECTORY):
            return
    except FileNotFoundError:
        pass
    with opened(root, "/".join(parts[:-1]), os.O_PATH | os.O_DIRECTORY) as parent, suppress(FileExistsError):
        os.mkdir(parts[-1], mode, dir_fd=parent)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)
