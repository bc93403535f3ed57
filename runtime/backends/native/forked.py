"""Functions that run in a forked process: what they return or raise comes back pickled."""

import contextlib
import os
import pickle
import select
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import BinaryIO, Generic, NoReturn, TypeVar, cast

from runtime.backends.native.processes import die_with_parent
from runtime.errors import BackendError

T = TypeVar("T")

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_PATIENCE = 30.0
"""Seconds that a process has to clean up after itself when nobody waits for what it does any more."""


class Answer(Generic[T]):
    """What a process beside this one returns.

    Args:
        child: its process id.
        stream: from which its answer is read.
    """

    def __init__(self, child: int, stream: BinaryIO) -> None:
        self._child = child
        self._stream = stream
        self._is_taken = False

    def wait(self) -> T:
        """Return what the function returned, or raise what it raised; to be called once."""
        raw = self._stream.read()
        self._is_taken = True
        status = os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])
        return cast("T", result_of(raw, status, "beside this one"))

    def until_there(self) -> None:
        """Wait until ``wait`` would return at once; so may a process that is begun after this answer's."""
        select.select([self._stream], [], [])

    def is_there(self) -> bool:
        """Tell whether ``wait`` would return at once."""
        return not self._is_taken and bool(select.select([self._stream], [], [], 0)[0])

    def end(self) -> None:
        """End the process if nobody waited for it."""
        if not self._is_taken:
            _end(self._child, self._stream.fileno())


@contextlib.contextmanager
def beside(function: Callable[[], T]) -> Iterator[Answer[T]]:
    """Begin a function in a process of its own, and yield its answer; it is ended if nobody waited for that.

    Its process is a copy of this one with one thread: the function must not count on what other threads do or hold. It
    dies with the caller's thread.

    Args:
        function: its result is pickled.
    """
    reader, writer = os.pipe()
    caller = os.getpid()
    child = fork()
    if child == 0:
        os.close(reader)
        _be_beside(function, writer, caller)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer: Answer[T] = Answer(child, stream)
        try:
            yield answer
        finally:
            answer.end()


def fork() -> int:
    """Fork this process, threads or not; a signal that ends it comes before or afterwards.

    Python runs functions of its own around a fork, and what a handler raises amid one of them is printed and lost. In
    the child no handler is left that raises anything: its way out would be the caller's, with all that is cleaned up.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns when a process with threads forks. The child runs one function and never returns.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            for number in _ENDING:
                if callable(signal.getsignal(number)):
                    signal.signal(number, signal.SIG_DFL)
        return child
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _be_beside(function: Callable[[], T], writer: int, caller: int) -> NoReturn:
    try:
        try:
            signal.signal(signal.SIGTERM, _leave)
            for number in (
                signal.SIGINT,
                signal.SIGHUP,
            ):  # the caller hears them too, and says what becomes of this one
                signal.signal(number, signal.SIG_IGN)
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
