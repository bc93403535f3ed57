"""System calls that wait for an answer: the kernel's notices of them, received and answered.

A notice holds registers only, as the kernel took them: what a decision rests on cannot be changed meanwhile. What a
register points to can, so that it is only ever told, and nothing is decided by it.

Source: seccomp_unotify(2); linux/seccomp.h.
"""

import fcntl
import select
import struct
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum, auto
from typing import NamedTuple

_RECEIVE = 0xC0502100  # SECCOMP_IOCTL_NOTIF_RECV
_SEND = 0xC0182101  # SECCOMP_IOCTL_NOTIF_SEND
_IS_VALID = 0x40082102  # SECCOMP_IOCTL_NOTIF_ID_VALID
_SET_FLAGS = 0x40082104  # SECCOMP_IOCTL_NOTIF_SET_FLAGS
_WAKE_UP_HERE = 1  # SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
_CONTINUE = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
_NOTICE = struct.Struct("=QIIiIQ6Q")  # struct seccomp_notif
_ANSWER = struct.Struct("=QqiI")  # struct seccomp_notif_resp

_UNSIGNED = 0xFFFFFFFF  # a filter sees the number so, and a notice has it with a sign


class Notice(NamedTuple):
    """A system call that waits for its answer.

    Args:
        id: names it for the kernel.
        pid: of the thread that calls, as this process sees it.
        architecture: through which interface.
        number: of the call.
        arguments: its six registers.
    """

    id: int
    pid: int
    architecture: int
    number: int
    arguments: tuple[int, ...]


class State(Enum):
    """What a listener has to hear."""

    SILENT = auto()
    ASKED = auto()
    OVER = auto()


def look(listener: int) -> State:
    """Return what there is to hear; ``OVER`` once every process that could ask has ended."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    events = sum(each for _, each in poll.poll(0))
    if events & select.POLLIN:
        return State.ASKED
    return State.OVER if events else State.SILENT  # a caller that a signal has interrupted asks no longer


def arriving(listener: int, until: int = -1) -> Iterator[Notice]:
    """Yield the notices of calls as they come, until every process that could ask has ended.

    Args:
        listener: of a filter.
        until: a further descriptor: nothing more comes once that is ready to be read; -1 for none.
    """
    poll = select.poll()
    for each in (listener, until):
        if each >= 0:
            poll.register(each, select.POLLIN)
    while True:
        found = dict(poll.poll())
        if until in found or not found[listener] & select.POLLIN:
            return
        if notice := receive(listener):
            yield notice


def take_turns(listener: int) -> None:
    """Let who asks and who answers take turns on one CPU: a call takes 10 microseconds then, not 20 to 40, measured.

    Before Linux 6.6 nothing happens.
    """
    with suppress(OSError):
        fcntl.ioctl(listener, _SET_FLAGS, _WAKE_UP_HERE)


def receive(listener: int) -> Notice | None:
    """Return the notice of a call; None if who called is gone, or was interrupted by a signal and calls again.

    Blocks where ``listener`` is not ready to be read.
    """
    raw = bytearray(_NOTICE.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, raw)
    except OSError:
        return None
    number, pid, _, call, architecture, _, *arguments = _NOTICE.unpack(raw)
    return Notice(number, pid, architecture, call & _UNSIGNED, tuple(arguments))


def is_waiting(listener: int, notice: int) -> bool:
    """Tell whether the caller that a notice is about (by its id) still waits, so that its pid is its own."""
    try:
        fcntl.ioctl(listener, _IS_VALID, struct.pack("=Q", notice))
    except OSError:
        return False
    return True


def let_go_on(listener: int, notice: int) -> None:
    """Let the kernel carry a call out."""
    _send(listener, _ANSWER.pack(notice, 0, 0, _CONTINUE))


def succeed(listener: int, notice: int) -> None:
    """Say that a call succeeded, which the kernel never sees."""
    _send(listener, _ANSWER.pack(notice, 0, 0, 0))


def fail(listener: int, notice: int, number: int) -> None:
    """Fail a call with an errno."""
    _send(listener, _ANSWER.pack(notice, 0, -number, 0))


def _send(listener: int, answer: bytes) -> None:
    with suppress(OSError):  # who asked is gone
        fcntl.ioctl(listener, _SEND, answer)
