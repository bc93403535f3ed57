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
MS_RELATIME = 1 << 21
MNT_DETACH = 2  # linux/fs.h

RESOLVE_NO_MAGICLINKS = 0x02  # linux/openat2.h
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_IN_ROOT = 0x10

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


def remount_read_only(target: int) -> None:
    """Forbid writing through the mount that a descriptor is the root of; its other flags stay (some are locked)."""
    shown = os.fstatvfs(target).f_flag
    kept = shown & (MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME)
    relative = MS_RELATIME if shown & _ST_RELATIME else 0
    mount_at(None, target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | kept | relative)


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
