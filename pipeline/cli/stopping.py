"""What a signal does: an exception in the main thread, so that every context manager cleans up on its way."""

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import TypeAlias

ONE = 0.5
"""Seconds in which further signals are the same wish, told twice: a terminal and a wrapper both hand on a Ctrl-C."""

_PAUSE = 0.01  # seconds
_LAST_WORDS = b"stopped at once; the next start removes what is left\n"

Handler = Callable[[int, FrameType | None], None]
Hook: TypeAlias = "Callable[[sys.UnraisableHookArgs], object]"


class Terminated(KeyboardInterrupt):
    """SIGINT, SIGTERM or SIGHUP arrived. It is caught wherever Ctrl-C is.

    Never ``KeyboardInterrupt`` itself: where that leaves a source text under ``exec``, as dataclasses use it, CPython
    notes that nobody caught it, and at its end kills itself by SIGINT instead of giving the exit code (pythonrun.c).

    Args:
        number: the signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


def install(*, clock: Callable[[], float] = time.monotonic, leave: Callable[[int], object] = os._exit) -> None:
    """Let the first SIGINT, SIGTERM or SIGHUP raise ``Terminated``.

    A later one ends the process at once: then runs end with it, and the next start removes what is left. A signal that
    is ignored (``nohup``) stays so.

    Args:
        clock: seconds of a monotonic clock.
        leave: ends the process with an exit code.
    """
    sys.unraisablehook = _raised_again(sys.unraisablehook)
    stop = _handler(clock, leave)
    for number, default in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGTERM, signal.SIG_DFL),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is default:
            signal.signal(number, stop)


def settle() -> None:
    """Ignore signals from now on: the result is out, and only the interpreter's own end is left.

    It gives each signal its default back early on that way: a Ctrl-C there would kill a process whose verdict was told,
    and so would the timer that is to bring back one of just before.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


def exit_code(stop: BaseException | None) -> int:
    """Return 128 and the number of the signal behind ``stop``."""
    return 128 + (stop.number if isinstance(stop, Terminated) else int(signal.SIGINT))


def _raised_again(tell: "Hook") -> "Hook":
    """Return a hook that raises ``Terminated`` once more where nobody could catch it.

    Python drops what is raised in a finalizer or in a callback of a weak reference, as imports have them: the signal
    would be lost. A timer brings it back when the way out of there is over.
    """

    def hook(dropped: "sys.UnraisableHookArgs") -> None:
        stop = dropped.exc_value
        if not isinstance(stop, Terminated):
            tell(dropped)
            return

        def once_more(*_: object) -> None:
            raise Terminated(stop.number)

        signal.signal(signal.SIGALRM, once_more)
        signal.setitimer(signal.ITIMER_REAL, _PAUSE)

    return hook


def _handler(clock: Callable[[], float], leave: Callable[[int], object]) -> Handler:
    first: list[float] = []

    def stop(number: int, _: FrameType | None) -> None:
        now = clock()
        if not first:
            first.append(now)
            raise Terminated(number)
        if now - first[0] >= ONE:
            os.write(2, _LAST_WORDS)
            leave(128 + number)

    return stop
