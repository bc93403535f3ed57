"""Functions that run in a forked process: what they return or raise comes back pickled."""

import contextlib
import os
import pickle
import select
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeVar, cast

from runtime.backends.native.processes import die_with_parent
from runtime.errors import BackendError

T = TypeVar("T")

_ENDING = (signal.SIGINT, signal.SIGTERM)

_PATIENCE = 30.0
"""Seconds that a process has to clean up after itself when nobody waits for what it does any more."""


@contextlib.contextmanager
def beside(function: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Begin a function in a process of its own, and yield what waits for it; it is ended if nobody did.

    Its process is a copy of this one with one thread: the function must not count on what other threads do or hold. It
    dies with the caller's thread.

    Args:
        function: its result is pickled.

    Yields:
        A function that returns what the other one returned, or raises what it raised. To be called once.
    """
    reader, writer = os.pipe()
    caller = os.getpid()
    child = fork()
    if child == 0:
        os.close(reader)
        _be_beside(function, writer, caller)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        ended: list[int] = []

        def wait() -> T:
            raw = stream.read()
            ended.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            return cast("T", result_of(raw, ended[0], "beside this one"))

        try:
            yield wait
        finally:
            if not ended:
                _end(child, stream.fileno())


def fork() -> int:
    """Fork this process, threads or not; a signal that ends it comes before or afterwards.

    Python runs functions of its own around a fork, and what a handler raises amid one of them is printed and lost.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns when a process with threads forks. The child runs one function and never returns.
            warnings.simplefilter("ignore", DeprecationWarning)
            return os.fork()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _be_beside(function: Callable[[], T], writer: int, caller: int) -> NoReturn:
    try:
        try:
            signal.signal(signal.SIGTERM, _leave)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller hears it too, and says what becomes of this one
            die_with_parent(caller)
            answer = pickle.dumps((True, function()))
        except BaseException as error:  # noqa: BLE001 - every failure is the caller's to see
            answer = pickled_error(error)
        with os.fdopen(writer, "wb") as stream:
            stream.write(answer)
        os._exit(0)
    finally:
        sys.stderr.flush()
        os._exit(1)


def _leave(number: int, _: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _end(child: int, reader: int) -> None:
    """Let a process clean up and end: its end of the pipe is closed then."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGTERM)
    while select.select([reader], [], [], _PATIENCE)[0] and os.read(reader, 1 << 16):
        pass
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def pickled_error(error: BaseException) -> bytes:
    """Return what tells the caller of an error."""
    try:
        answer = pickle.dumps((False, error))
        pickle.loads(answer)  # noqa: S301 - our own bytes; some errors can be pickled but not restored
    except Exception:  # noqa: BLE001 - whatever is wrong with it, its text can be told
        return pickle.dumps((False, BackendError(f"{type(error).__name__}: {error}")))
    return answer


def result_of(raw: bytes, status: int, where: str) -> object:
    """Return what a function returned, or raise what it raised.

    Args:
        raw: what its process wrote.
        status: how that ended.
        where: it was, for the message.

    Raises:
        BackendError: it wrote nothing.
        Exception: whatever the function raised.
    """
    if not raw:
        raise BackendError(f"the process {where} ended with {status} and no result")
    succeeded, value = pickle.loads(raw)  # noqa: S301 - from our own child
    if succeeded:
        return value
    raise value
