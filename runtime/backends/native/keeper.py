"""Keep the owners that a script gives its files where the kernel has one id only: by seccomp's user notification.

A process of the run, with the rights of the run and no others, answers each ``chown`` of the others: it records the
owner with the file, and says that it succeeded. What ``stat`` tells of such a file is answered too, since programs such
as useradd copy owners from one file to the next. Nothing can be gained by deceiving it: it does nothing that the
process which asks could not do itself.

What it does not do: a process that becomes another user is refused by the kernel, and a file that is made in a set-gid
folder does not get the folder's recorded group.

Source: seccomp_unotify(2); linux/seccomp.h.
"""

import ctypes
import errno
import os
import socket
import stat
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from runtime.backends.native import notices, processes
from runtime.backends.native.mounts import RESOLVE_NO_MAGICLINKS
from runtime.backends.native.syscalls import MACHINE, call
from runtime.oci.owners import Owner, link_owners, record, record_link, recorded

NOTICED = ("chown", "fchown", "lchown", "fchownat", "stat", "lstat", "fstat", "newfstatat", "statx")
"""The system calls that are answered."""

_AT_FDCWD = -100  # linux/fcntl.h
_AT_SYMLINK_NOFOLLOW = 0x100
_AT_EMPTY_PATH = 0x1000
_UNCHANGED = 0xFFFFFFFF

_OWN = {
    b"/proc/self": "",
    b"/proc/thread-self": "",
    b"/dev/fd": "/fd",
    b"/dev/stdin": "/fd/0",
    b"/dev/stdout": "/fd/1",
    b"/dev/stderr": "/fd/2",
}
"""Paths that mean another file to each process → where below /proc/PID it is."""

_PAGE = 4096
_OWNER_OFFSET = {"x86_64": 28, "aarch64": 24}  # of st_uid in struct stat, asm/stat.h; st_gid follows
_STAT_SIZE = {"x86_64": 144, "aarch64": 128}
_STATX_OFFSET = 20  # of stx_uid, linux/stat.h
_STATX_SIZE = 256
_CAPABILITY = "security.capability"


class _Notice(NamedTuple):
    """A system call that waits for its answer."""

    id: int
    pid: int
    name: str
    arguments: tuple[int, ...]


class _Target(NamedTuple):
    """What a call is about: a path below a descriptor of the caller, or the descriptor itself if the path is empty."""

    pid: int
    base: int
    path: bytes
    follows: bool

    @property
    def below(self) -> str:
        """Where relative paths begin."""
        return f"/proc/{self.pid}/cwd" if self.base == _AT_FDCWD else f"/proc/{self.pid}/fd/{self.base}"

    @property
    def name(self) -> str:
        """A path by which this process reaches the same file."""
        if not self.path:
            return self.below
        shown = os.fsdecode(self.path)
        if self._own:
            return f"/proc/{self.pid}{_OWN[self._own]}{shown.removeprefix(os.fsdecode(self._own))}"
        return shown if shown.startswith("/") else f"{self.below}/{shown}"

    @property
    def _own(self) -> bytes:
        """The beginning of the path that means another file to each process; empty if there is none."""
        if not self.path.startswith((b"/proc/", b"/dev/")):  # nearly always
            return b""
        return next((each for each in _OWN if self.path == each or self.path.startswith(each + b"/")), b"")

    def open(self) -> int:
        """Return a descriptor of the file itself. A path that leads to what is the caller's own in procfs is refused.

        Raises:
            OSError: ELOOP for that; or there is no such file.
        """
        flags = os.O_PATH | os.O_CLOEXEC | (0 if self.is_followed else os.O_NOFOLLOW)
        if not self.path or self._own:
            return os.open(self.name, flags)
        if self.path.startswith(b"/"):
            return _open_at(_AT_FDCWD, self.path, flags)
        base = os.open(self.below, os.O_PATH | os.O_CLOEXEC)
        try:
            return _open_at(base, self.path, flags)
        finally:
            os.close(base)

    @property
    def is_followed(self) -> bool:
        """Whether a link at the end of ``name`` is followed: where there is no path, it is the kernel's own link."""
        return self.follows or not self.path


def start_keeper(numbers: Mapping[str, int]) -> socket.socket:
    """Fork the process that answers; it waits for a listener to come through the socket that is returned.

    Args:
        numbers: of ``NOTICED`` on this machine.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork():
        theirs.close()
        return ours
    try:
        ours.close()
        processes.die_with_parent()
        _, descriptors, _, _ = socket.recv_fds(theirs, 1, 1)
        _Keeper(descriptors[0], {number: name for name, number in numbers.items()}).serve()
    finally:
        os._exit(0)


def be_kept(program: bytes, keeper: socket.socket) -> None:
    """Have the calls of this process, and of all that it starts, answered by a keeper."""
    listener = processes.listen_to_calls(program)
    socket.send_fds(keeper, [b"l"], [listener])
    os.close(listener)
    keeper.close()


class _Keeper:
    """The loop of the process that answers."""

    def __init__(self, listener: int, names: Mapping[int, str]) -> None:
        self._listener = listener
        self._names = names
        root = os.stat("/")  # noqa: PTH116 - no pathlib in the warm process
        self._root = (root.st_dev, root.st_ino)

    def serve(self) -> None:
        """Answer until every process that asks has ended."""
        notices.take_turns(self._listener)
        for each in notices.arriving(self._listener):
            self._answer(_Notice(each.id, each.pid, self._names[each.number], each.arguments))

    def _answer(self, notice: _Notice) -> None:
        act = _give if notice.name.endswith(("chown", "chownat")) else _show
        try:
            is_done = act(notice, self._check)
        except OSError as error:
            notices.fail(self._listener, notice.id, error.errno or errno.EPERM)
        else:
            (notices.succeed if is_done else notices.let_go_on)(self._listener, notice.id)

    def _check(self, notice: _Notice) -> None:
        """Make sure that the caller still waits, so that its pid is its own, and that its root is ours."""
        root = os.stat(f"/proc/{notice.pid}/root/.")  # noqa: PTH116
        if not notices.is_waiting(self._listener, notice.id):
            raise ProcessLookupError(errno.ESRCH, "who asked is gone")
        if (root.st_dev, root.st_ino) != self._root:
            raise PermissionError(errno.EPERM, "owners are not kept below another root")


_Check = Callable[[_Notice], None]


def _give(notice: _Notice, check: _Check) -> bool:
    """Record the owner that a call gives a file."""
    target, wanted = _read_chown(notice)
    check(notice)
    descriptor = target.open()
    try:
        status = os.fstat(descriptor)
        if stat.S_ISLNK(status.st_mode):
            _give_link(target, status.st_ino, wanted)
        elif stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            _give_file(f"/proc/self/fd/{descriptor}", status, wanted)
    finally:
        os.close(descriptor)
    return True


def _read_chown(notice: _Notice) -> tuple[_Target, Owner]:
    first, second, third, fourth, fifth, _ = notice.arguments
    if notice.name == "fchown":
        return _Target(notice.pid, _signed(first), b"", follows=True), (_low(second), _low(third))
    if notice.name == "fchownat":
        path = _path(notice.pid, second, may_be_empty=bool(fifth & _AT_EMPTY_PATH))
        follows = not fifth & _AT_SYMLINK_NOFOLLOW
        return _Target(notice.pid, _signed(first), path, follows=follows), (_low(third), _low(fourth))
    path = _path(notice.pid, first)
    return _Target(notice.pid, _AT_FDCWD, path, follows=notice.name == "chown"), (_low(second), _low(third))


def _give_file(path: str, status: os.stat_result, wanted: Owner) -> None:
    """Record, and clear what the kernel clears on a change of owner. Source: chown(2)."""
    try:
        record(path, _merged(recorded(path), wanted))
    except OSError as error:
        # A file system of the run itself, such as /proc or /dev, is no part of the tree.
        if error.errno != errno.EOPNOTSUPP or status.st_dev == os.stat("/").st_dev:  # noqa: PTH116
            raise
        return
    if not stat.S_ISREG(status.st_mode):
        return
    lost = stat.S_ISUID | (stat.S_ISGID if status.st_mode & stat.S_IXGRP else 0)
    if status.st_mode & lost:
        os.chmod(path, stat.S_IMODE(status.st_mode) & ~lost)  # noqa: PTH101
    with suppress(OSError):  # usually there is none
        os.removexattr(path, _CAPABILITY)


def _give_link(target: _Target, inode: int, wanted: Owner) -> None:
    name = target.name if target.path else os.readlink(target.name)  # noqa: PTH115
    above = os.open(name.rstrip("/").rpartition("/")[0] or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        record_link(above, inode, _merged(link_owners(above).get(inode, (0, 0)), wanted))
    finally:
        os.close(above)


def _merged(before: Owner, wanted: Owner) -> Owner:
    uid, gid = (old if new == _UNCHANGED else new for old, new in zip(before, wanted, strict=True))
    return uid, gid


def _show(notice: _Notice, check: _Check) -> bool:
    """Answer what a file is, if it has a recorded owner; all else is the kernel's to answer."""
    try:
        target, address = _read_stat(notice)
        owner = recorded(target.name, follows=target.is_followed)
        if owner == (0, 0):
            return False
        content = _status_of(target, owner, is_extended=notice.name == "statx", mask=_low(notice.arguments[3]))
        check(notice)
        _write(notice.pid, address, content)
    except OSError:
        return False  # the kernel says it, and with the right error
    return True


def _read_stat(notice: _Notice) -> tuple[_Target, int]:
    first, second, third, fourth, fifth, _ = notice.arguments
    if notice.name == "fstat":
        return _Target(notice.pid, _signed(first), b"", follows=True), second
    if notice.name in ("stat", "lstat"):
        path = _path(notice.pid, first)
        return _Target(notice.pid, _AT_FDCWD, path, follows=notice.name == "stat"), second
    flags, address = (third, fifth) if notice.name == "statx" else (fourth, third)
    path = _path(notice.pid, second, may_be_empty=bool(flags & _AT_EMPTY_PATH))
    return _Target(notice.pid, _signed(first), path, follows=not flags & _AT_SYMLINK_NOFOLLOW), address


def _status_of(target: _Target, owner: Owner, *, is_extended: bool, mask: int) -> bytes:
    flags = 0 if target.is_followed else _AT_SYMLINK_NOFOLLOW
    buffer = ctypes.create_string_buffer(_STATX_SIZE)
    path = os.fsencode(target.name)
    if is_extended:
        call("statx", _AT_FDCWD, path, flags, mask, buffer)
        struct.pack_into("=II", buffer, _STATX_OFFSET, *owner)
        return buffer.raw
    call("newfstatat", _AT_FDCWD, path, buffer, flags)
    struct.pack_into("=II", buffer, _OWNER_OFFSET[MACHINE], *owner)
    return buffer.raw[: _STAT_SIZE[MACHINE]]


def _path(pid: int, address: int, *, may_be_empty: bool = False) -> bytes:
    """Read a path from the memory of a process, a page at a time: the next one may not be there."""
    found = b""
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        while b"\0" not in found and len(found) < 2 * _PAGE:
            start = address + len(found)
            part = os.pread(memory, _PAGE - start % _PAGE, start)
            if not part:
                raise OSError(errno.EFAULT, "no path there")
            found += part
    finally:
        os.close(memory)
    path = found.partition(b"\0")[0]
    if not path and not may_be_empty:
        raise FileNotFoundError(errno.ENOENT, "an empty path")
    return path


def _write(pid: int, address: int, content: bytes) -> None:
    memory = os.open(f"/proc/{pid}/mem", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(memory, content, address)
    finally:
        os.close(memory)


def _open_at(base: int, path: bytes, flags: int) -> int:
    """Open a path that leads through no link of procfs: what is behind one depends on who follows it."""
    how = struct.pack("QQQ", flags, 0, RESOLVE_NO_MAGICLINKS)
    return call("openat2", base, path, ctypes.c_char_p(how), len(how))


def _signed(word: int) -> int:
    return ctypes.c_int(_low(word)).value


def _low(word: int) -> int:
    return word & 0xFFFFFFFF
