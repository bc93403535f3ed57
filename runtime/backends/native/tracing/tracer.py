"""The process that a traced run tells its calls to: it counts them, and answers as the run's filter decides.

It is one for each such run and dies with it, so that a run which calls without end is waited for by nobody else. A call
that waits for its answer may be interrupted by a signal, as it is never otherwise: how a traced run behaves is no
behavior.
"""

import json
import os
import signal
import time
from collections.abc import Mapping

from runtime.backends.native import notices, processes
from runtime.backends.native.observer import Judge
from runtime.backends.native.tracing.calls import CHANGING
from runtime.backends.native.tracing.memory import Reader
from runtime.backends.native.tracing.places import Places
from runtime.backends.native.tracing.signs import path_of, sign_of
from runtime.backends.native.tracing.tally import Tally
from runtime.plan import Plan

_PATH = 256  # bytes of a path that are read
_FIRST, _LAST = 3, 1 << 20  # descriptors
_MOST_WAITING = 2.0  # seconds for the process to write down what it has counted, when its run has ended
_MOST_CALLS = 400_000
"""Calls that are counted: 8 s of its time. What comes later is answered only."""


class Tracer:
    """A process that answers and counts the calls of one run.

    Args:
        listener: of the run's filter; closed in this process.
        judge: of the filter.
        names: number → name of the machine's calls.
        plan: of the run.
    """

    def __init__(self, listener: int, judge: Judge, names: Mapping[int, str], plan: Plan) -> None:
        self._written = os.memfd_create("seatrial-trace")
        self._pid = os.fork()
        if self._pid == 0:
            try:
                _become(listener, self._written, judge, names, plan)
            finally:
                os._exit(0)
        os.close(listener)

    def trace(self) -> bytes:
        """Return the trace as JSON, when the run has ended; empty where it was not written down in time."""
        self._wait(_MOST_WAITING)
        os.lseek(self._written, 0, os.SEEK_SET)
        with os.fdopen(os.dup(self._written), "rb") as stream:
            return stream.read()

    def close(self) -> None:
        """End the process; idempotent."""
        self._wait(0)
        if self._written >= 0:
            os.close(self._written)
            self._written = -1

    def _wait(self, seconds: float) -> None:
        """Wait so long for the process to end, then end it."""
        if not self._pid:
            return
        until = time.monotonic() + seconds
        while os.waitpid(self._pid, os.WNOHANG) == (0, 0):
            if time.monotonic() >= until:
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
                break
            time.sleep(0.001)
        self._pid = 0


def _become(listener: int, written: int, judge: Judge, names: Mapping[int, str], plan: Plan) -> None:
    """Be that process, with nothing open that belongs to other runs."""
    processes.die_with_parent()
    low, high = sorted((listener, written))
    os.closerange(_FIRST, low)
    os.closerange(low + 1, high)
    os.closerange(high + 1, _LAST)
    tally = count_until_end(listener, judge, names, Places.of(plan))
    with os.fdopen(written, "wb") as stream:
        stream.write(json.dumps(tally.trace().to_json()).encode())


def count_until_end(listener: int, judge: Judge, names: Mapping[int, str], places: Places) -> Tally:
    """Answer and count calls until every process that could make one has ended."""
    tally, memory = Tally(), Reader(_PATH)
    notices.take_turns(listener)
    for heard, notice in enumerate(notices.arriving(listener)):
        number = judge.decide(notice)
        if heard >= _MOST_CALLS:
            tally.cut()
        else:
            _count(tally, memory, places, listener, notice, names.get(notice.number, ""))
        if number:
            notices.fail(listener, notice.id, number)
        else:
            notices.let_go_on(listener, notice.id)
    return tally


def _count(  # noqa: PLR0917 - who counts, and what
    tally: Tally, memory: Reader, places: Places, listener: int, notice: notices.Notice, name: str
) -> None:
    path = path_of(name, notice.pid, notice.arguments, memory)
    if path is not None and not notices.is_waiting(listener, notice.id):
        return  # the caller is gone, and its number may be another's: what was read is not the run's
    if path is not None and tally.mark(path):
        return
    place = "" if path is None else places.of_path(path)
    if sign := sign_of(name, notice.pid, notice.arguments, memory, place):
        tally.count(sign)
        if path is not None and sign.startswith(CHANGING) and places.is_in_tree(path):
            tally.count("changes tree")
