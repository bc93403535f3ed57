"""Questions that are asked inside a run before its program starts, and their answers.

A factor asks in this one grammar and judges the answers; so the same factor is proven in a run of our own, where Python
answers, and in a container of somebody else's runtime, where ``runtime/launcher/launcher.c`` does. A conformance test
holds the two equal.

======================  ==================================================================================
question                answer
======================  ==================================================================================
``attributes PATH``     ``UID GID MODE`` of what a path leads to
``clone3``              the errno of a clone3 that cannot succeed
``clocks``              seconds that the monotonic clock and the one since boot show
``contains PATH TEXT``  ``yes`` or ``no``: whether a file holds the text with a NUL behind it
``cpus``                how many CPUs the process may use
``descriptor N``        ``null``, ``terminal``, ``pipe`` or ``other``
``entries PATH``        the names in a folder as they come, NUL behind each, ``.`` and ``..`` left out
``folder``              the working folder
``free PATH``           the bytes that a user may still write to a file system
``getrandom``           ``yes``, or the errno with which no random byte can be had
``groups``              the supplementary groups, sorted, with commas
``head PATH``           the first 4096 bytes of a file: of a program, where all of it would outgrow a limit of file size
``ids``                 real, effective and saved user id, then group id
``ignored``             the numbers of the signals that are ignored, sorted, with commas
``inotify``             ``yes`` or the errno for an instance, and if there is one, likewise for a watch of ``/``
``interfaces``          ``NAME:up`` or ``NAME:down``, sorted
``kernel``              release and architecture
``limit N``             soft and hard value of the rlimit of that number; -1 is infinity
``link PATH``           where a symbolic link points to
``may-read PATH``       ``yes``, or the errno with which the file cannot be opened
``may-write PATH``      ``yes``, or the errno with which no file can be made in the folder
``name``                the node name
``no-new-privileges``   1 or 0: the bit of that name
``now``                 seconds since 1970, by this machine's clock
``personality``         the execution domain, hexadecimal
``read PATH``           the first MiB of a file
``rename PATH``         ``yes``, or the errno with which the first folder in a folder, by name, cannot be renamed; it is
                        not; ``none`` if there is no folder in it
``run PATH``            what a program writes that is started without arguments and ends well
``socket N``            ``yes``, or the errno with which there is no stream socket of that address family
``space PATH``          the flags of a mount, and the bytes of its file system
``user-namespace``      ``yes``, or the errno with which a child can make none
``umask``               the file mode creation mask, four octal digits
``variable NAME``       the value of an environment variable
``window N``            columns and rows of the terminal that a descriptor is, with an ``x`` between
======================  ==================================================================================

Modules of the warm process import little: no pathlib here.
"""
# ruff: noqa: PTH102, PTH104, PTH106, PTH108, PTH109, PTH115, PTH116, PTH123, PTH208, S606

import ctypes
import errno
import os
import resource
import signal
import socket
import stat
import struct
import time
from collections.abc import Callable, Mapping
from fcntl import ioctl

_MOST = 1 << 20
_MOST_OF_HEAD = 4096
_CLONE3 = 435  # __NR_clone3, asm-generic/unistd.h: the same number on every architecture
_PR_GET_NO_NEW_PRIVS = 39  # linux/prctl.h
_CLONE_NEWUSER = 0x10000000  # linux/sched.h
_GRND_NONBLOCK = 1  # linux/random.h
_IN_MODIFY = 2  # linux/inotify.h
_IN_CLOEXEC = 0o2000000
_ASKED_PERSONALITY = 0xFFFFFFFF  # personality(2): changes nothing
_SIOCGIFFLAGS = 0x8913  # linux/sockios.h
_IFF_UP = 0x1  # linux/if.h
_TIOCGWINSZ = 0x5413  # asm-generic/ioctls.h
_LIBC = ctypes.CDLL(None, use_errno=True)


_ESCAPED = {r"\040": " ", r"\011": "\t", r"\012": "\n", r"\043": "#", r"\134": "\\"}
"""How the kernel writes some characters of a path; the backslash last. Source: Linux fs/proc_namespace.c."""


class Mount:
    """One line of /proc/self/mountinfo: where it is, its flags, its kind, and the options of its file system.

    Source: proc_pid_mountinfo(5).
    """

    def __init__(self, line: str) -> None:
        before, _, behind = line.partition(" - ")
        place, flags = before.split()[4:6]
        for escaped, character in _ESCAPED.items():
            place = place.replace(escaped, character)
        self.place = place
        self.kind, _, options = (*behind.split(" ", 2), "", "")[:3]
        self.flags = frozenset(flags.split(","))
        self.options = frozenset(options.split(","))


class Answers:
    """What was answered: question → bytes, None for a question that failed."""

    def __init__(self, given: Mapping[str, bytes | None]) -> None:
        self._given = given

    def text(self, question: str) -> str:
        """Return an answer as text, empty where the question failed."""
        return (self._given.get(question) or b"").decode(errors="replace")

    def raw(self, question: str) -> bytes:
        """Return an answer as it is, empty where the question failed."""
        return self._given.get(question) or b""

    def words(self, question: str) -> list[str]:
        """Return the words of an answer."""
        return self.text(question).split()

    def succeeded(self, question: str) -> bool:
        """Tell whether there is an answer at all."""
        return self._given.get(question) is not None

    def has_one_id(self) -> bool:
        """Tell whether one id only is mapped into the run, by the answer to ``UID_MAP``.

        Source: user_namespaces(7), ``/proc/PID/uid_map``.
        """
        return sum(int(line.split()[2]) for line in self.text(UID_MAP).splitlines()) == 1

    def mounts(self) -> tuple[Mount, ...]:
        """Return the mounts, those that cover others behind them, by the answer to ``MOUNTS``, which was asked."""
        return tuple(Mount(line) for line in self.text(MOUNTS).splitlines() if len(line.split()) > 6)

    def has_flag(self, path: str, flag: str) -> bool:
        """Tell whether the mount at a path has a flag such as ``ro``, by the answer to ``MOUNTS``."""
        flags: frozenset[str] = next((each.flags for each in self.mounts()[::-1] if each.place == path), frozenset())
        return flag in flags

    def status(self, key: str) -> str:
        """Return a field of /proc/self/status, which must have been read; ``0`` where the kernel does not show it."""
        for line in self.text(STATUS).splitlines():
            name, _, value = line.partition(":")
            if name == key:
                return value.strip()
        return "0"


MOUNTS = "read /proc/self/mountinfo"
"""The question behind ``Answers.mounts``."""

UID_MAP = "read /proc/self/uid_map"
"""The question behind ``Answers.has_one_id``."""

STATUS = "read /proc/self/status"
"""The question behind ``Answers.status``."""


def answer(question: str) -> bytes | None:
    """Answer one question about this very process, or return None if that fails."""
    kind, _, rest = question.partition(" ")
    ask = _ANSWERS.get(kind)
    try:
        return ask(rest) if ask else None
    except (OSError, ValueError):
        return None


def parse_answers(questions: tuple[str, ...], written: bytes) -> Answers:
    """Read what the launcher has written: a length and a newline before each answer, -1 for one that failed.

    Raises:
        ValueError: it was not written by the launcher, or not to its end.
    """
    given: dict[str, bytes | None] = {}
    position = 0
    for each in questions:
        end = written.index(b"\n", position, position + 32)
        size = int(written[position:end])
        position = end + 1
        given[each] = written[position : position + size] if size >= 0 else None
        if position + max(size, 0) > len(written):
            raise ValueError("the last answer is cut off")
        position += max(size, 0)
    return Answers(given)


def _attributes(path: str) -> bytes:
    found = os.stat(path)
    return f"{found.st_uid} {found.st_gid} {stat.S_IMODE(found.st_mode):04o}".encode()


def _clone3(_: str) -> bytes:
    ctypes.set_errno(0)
    _LIBC.syscall(ctypes.c_long(_CLONE3), None, ctypes.c_size_t(0))
    return b"%d" % ctypes.get_errno()


def _clocks(_: str) -> bytes:
    return b"%d %d" % (time.clock_gettime(time.CLOCK_MONOTONIC), time.clock_gettime(time.CLOCK_BOOTTIME))


def _contains(words: str) -> bytes:
    path, _, text = words.partition(" ")
    wanted = text.encode() + b"\0"
    kept = b""
    with open(path, "rb") as file:
        while block := file.read(1 << 16):
            if wanted in kept + block:
                return b"yes"
            kept = block[-len(wanted) + 1 :]
    return b"no"


def _descriptor(number: str) -> bytes:
    found = os.fstat(int(number))
    if stat.S_ISCHR(found.st_mode) and found.st_rdev == os.makedev(1, 3):
        return b"null"
    if os.isatty(int(number)):
        return b"terminal"
    return b"pipe" if stat.S_ISFIFO(found.st_mode) else b"other"


def _entries(path: str) -> bytes:
    found = b"".join(name + b"\0" for name in os.listdir(os.fsencode(path)))
    return found if len(found) <= _MOST else b""


def _free(path: str) -> bytes:
    found = os.statvfs(path)
    return b"%d" % (found.f_bavail * found.f_frsize)


def _getrandom(_: str) -> bytes:
    try:
        os.getrandom(1, _GRND_NONBLOCK)
    except OSError as error:
        return b"%d" % (error.errno or 0)
    return b"yes"


def _ignored(_: str) -> bytes:
    return ",".join(str(int(each)) for each in sorted(signal.valid_signals()) if _is_ignored(each)).encode()


def _is_ignored(number: int) -> bool:
    return signal.getsignal(number) is signal.SIG_IGN


def _inotify(_: str) -> bytes:
    instance = _LIBC.inotify_init1(_IN_CLOEXEC)
    if instance < 0:
        return b"%d" % ctypes.get_errno()
    try:
        watch = _LIBC.inotify_add_watch(instance, b"/", ctypes.c_uint32(_IN_MODIFY))
        return b"yes yes" if watch >= 0 else b"yes %d" % ctypes.get_errno()
    finally:
        os.close(instance)


def _interfaces(_: str) -> bytes:
    with open("/proc/net/dev", encoding="ascii", errors="replace") as table:
        names = sorted(line.partition(":")[0].strip() for line in table if ":" in line)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as handle:
        return " ".join(f"{name}:{'up' if _flags(handle, name) & _IFF_UP else 'down'}" for name in names).encode()


def _flags(handle: socket.socket, name: str) -> int:
    try:
        request = ioctl(handle, _SIOCGIFFLAGS, struct.pack("16s24x", name.encode()))
    except OSError:
        return 0
    return int(struct.unpack_from("16xH", request)[0])


def _kernel(_: str) -> bytes:
    system = os.uname()
    return f"{system.release} {system.machine}".encode()


def _limit(number: str) -> bytes:
    soft, hard = resource.getrlimit(int(number))
    return b"%d %d" % (soft, hard)


def _may_read(path: str) -> bytes:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError as error:
        return b"%d" % (error.errno or 0)
    return b"yes"


def _may_write(folder: str) -> bytes:
    name = f"{folder}/.seatrial-{os.getpid()}"
    try:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        return b"%d" % (error.errno or 0)
    os.unlink(name)
    return b"yes"


def _no_new_privileges(_: str) -> bytes:
    return b"%d" % _LIBC.prctl(_PR_GET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (0, 0, 0, 0)))


def _personality(_: str) -> bytes | None:
    found = _LIBC.personality(ctypes.c_ulong(_ASKED_PERSONALITY))
    return None if found == -1 else b"%x" % found


def _rename(path: str) -> bytes | None:
    """Ask for what must fail: an overlay says first that it cannot rename, and then that the target is not empty."""
    inside = sorted(os.listdir(os.fsencode(path)))
    folders = (each for name in inside if stat.S_ISDIR(os.lstat(each := os.fsencode(path) + b"/" + name).st_mode))
    first = next(folders, None)
    if first is None:
        return b"none"
    full = os.fsencode(path) + b"/.seatrial-%d" % os.getpid()
    try:
        os.mkdir(full, 0o700)
    except OSError as error:
        return b"%d" % (error.errno or 0)
    try:
        os.mkdir(full + b"/in", 0o700)
        os.rename(first, full)
    except OSError as error:
        return b"yes" if error.errno == errno.ENOTEMPTY else b"%d" % (error.errno or 0)
    finally:
        os.rmdir(full + b"/in")
        os.rmdir(full)
    return None


def _read(path: str, most: int = _MOST) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(most)


def _head(path: str) -> bytes:
    return _read(path, _MOST_OF_HEAD)


def _run(path: str) -> bytes | None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(writer, 1)
            os.execve(path, [path], {})
        finally:
            os._exit(127)
    os.close(writer)
    with os.fdopen(reader, "rb") as output:
        said = output.read(_MOST)
    return said if os.waitpid(child, 0)[1] == 0 else None


def _socket(family: str) -> bytes:
    try:
        socket.socket(int(family), socket.SOCK_STREAM | socket.SOCK_CLOEXEC).close()
    except OSError as error:
        return b"%d" % (error.errno or 0)
    return b"yes"


def _space(path: str) -> bytes:
    found = os.statvfs(path)
    return b"%d %d" % (found.f_flag, found.f_blocks * found.f_frsize)


def _user_namespace(_: str) -> bytes:
    """Try it in a child: there is no way back."""
    child = os.fork()
    if child == 0:
        os._exit(0 if _LIBC.unshare(_CLONE_NEWUSER) == 0 else ctypes.get_errno())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return b"%d" % code if code else b"yes"


def _umask(_: str) -> bytes:
    """Read it (and set it again: there is no other way to read it)."""
    mask = os.umask(0)
    os.umask(mask)
    return f"{mask:04o}".encode()


def _window(number: str) -> bytes:
    rows, columns = struct.unpack_from("HH", ioctl(int(number), _TIOCGWINSZ, bytes(8)))
    return b"%dx%d" % (columns, rows)


_ANSWERS: Mapping[str, Callable[[str], bytes | None]] = {
    "attributes": _attributes,
    "clone3": _clone3,
    "clocks": _clocks,
    "contains": _contains,
    "cpus": lambda _: b"%d" % len(os.sched_getaffinity(0)),
    "descriptor": _descriptor,
    "entries": _entries,
    "folder": lambda _: os.fsencode(os.getcwd()),
    "free": _free,
    "getrandom": _getrandom,
    "groups": lambda _: ",".join(map(str, sorted(os.getgroups()))).encode(),
    "ids": lambda _: " ".join(map(str, (*os.getresuid(), *os.getresgid()))).encode(),
    "ignored": _ignored,
    "inotify": _inotify,
    "interfaces": _interfaces,
    "kernel": _kernel,
    "limit": _limit,
    "head": _head,
    "link": lambda path: os.fsencode(os.readlink(path)),
    "may-read": _may_read,
    "may-write": _may_write,
    "no-new-privileges": _no_new_privileges,
    "name": lambda _: os.uname().nodename.encode(),
    "now": lambda _: b"%d" % time.time(),
    "personality": _personality,
    "read": _read,
    "rename": _rename,
    "run": _run,
    "socket": _socket,
    "space": _space,
    "umask": _umask,
    "user-namespace": _user_namespace,
    "variable": lambda name: os.environb.get(name.encode()),
    "window": _window,
}
