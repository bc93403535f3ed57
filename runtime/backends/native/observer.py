"""What a run asks and does not get: each call that its filter denies is answered here with the same errno, and counted.

The filter that is loaded hands on what the deciding one denies; the deciding one, interpreted over the registers of the
call, is what answers. Nothing depends on memory of the run, which is read only to tell whom it tried to reach.

The warm process answers, one call of each run a turn: whoever floods it waits for all others. A run that takes more
than its share gets a process of its own, which answers and counts nothing.
"""

import errno
import os
import selectors
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TypeVar

from runtime.backends.native import notices, processes
from runtime.backends.native.destinations import parse_destination, read_destination
from runtime.backends.native.seccomp import DESTINATIONS, bpf
from runtime.outcome import Attempt, Calls, Denied

MOST_NOTICES = 4096
"""Calls of one run that the warm process answers: 50 ms of its time."""

MOST_KINDS = 64
"""Different calls, and different destinations, that are told of one run."""

_MOST_READING = 0.5  # seconds; a page that is read may have to be fetched first, or its owner be busy mapping others
_FIRST, _LAST = 3, 1 << 20  # descriptors, as the entry of a run has them
_Key = TypeVar("_Key")
_DATA = 0xFFFF  # linux/seccomp.h: SECCOMP_RET_DATA


class Judge:
    """Answers calls as a filter decides.

    Args:
        program: the deciding filter, as it would be loaded. It is read at the first call, which few runs make.
    """

    def __init__(self, program: bytes) -> None:
        self._program = program
        self._instructions: tuple[bpf.Instruction, ...] = ()

    def decide(self, notice: notices.Notice) -> int:
        """Return the errno by which a call fails, 0 for none."""
        if not self._instructions:
            self._instructions = bpf.disassemble(self._program)
        found = bpf.decide(self._instructions, notice.architecture, notice.number, notice.arguments)
        return 0 if found == bpf.ALLOW else found & _DATA

    def answer(self, listener: int, notice: notices.Notice) -> None:
        """Answer a call as the filter decides."""
        number = self.decide(notice)
        if number:
            notices.fail(listener, notice.id, number)
        else:
            notices.let_go_on(listener, notice.id)


class Observer:
    """Answers and counts the calls of one run.

    Args:
        listener: of its filter; closed by the observer.
        judge: of its filter.
        names: number → name of the machine's calls.
        selector: of the warm process.
    """

    def __init__(
        self,
        listener: int,
        judge: Judge,
        names: Mapping[int, str],
        selector: selectors.BaseSelector,
    ) -> None:
        self._listener = listener
        self._judge = judge
        self._names = names
        self._selector = selector
        self._denied: dict[tuple[str, str], int] = {}
        self._attempts: dict[tuple[str, int], int] = {}
        self._is_whole = True
        self._heard = 0
        self._reading = 0.0
        self._relief = 0
        notices.take_turns(listener)
        selector.register(listener, selectors.EVENT_READ, self._attend)

    def calls(self) -> Calls:
        """Return what was counted."""
        return Calls(
            denied=tuple(sorted(Denied(call=a, errno=b, count=count) for (a, b), count in self._denied.items())),
            attempts=tuple(sorted(Attempt(address=a, port=b, count=count) for (a, b), count in self._attempts.items())),
            is_whole=self._is_whole,
        )

    def close(self) -> None:
        """Answer no more; idempotent. The processes of the run have ended."""
        self._leave()
        if self._relief:
            with suppress(ProcessLookupError):
                os.kill(self._relief, signal.SIGKILL)
            os.waitpid(self._relief, 0)
            self._relief = 0

    def _attend(self) -> None:
        """Answer one call."""
        if self._listener < 0:
            return  # closed in this very turn
        state = notices.look(self._listener)
        if state is notices.State.OVER:
            self._leave()
        if state is not notices.State.ASKED:
            return
        if notice := notices.receive(self._listener):
            number = self._judge.decide(notice)
            name = self._names.get(notice.number, str(notice.number))
            if number:
                notices.fail(self._listener, notice.id, number)
                self._count(self._denied, (name, errno.errorcode.get(number, str(number))))
            else:
                self._note_destination(notice, DESTINATIONS.get(name, 0))
                notices.let_go_on(self._listener, notice.id)
        self._heard += 1
        if self._heard >= MOST_NOTICES:
            self._hand_over()

    def _note_destination(self, notice: notices.Notice, index: int) -> None:
        """Read the destination that an argument of a call points to.

        Args:
            notice: of the call.
            index: of the argument; its length is in the next one.
        """
        if self._reading > _MOST_READING:
            self._is_whole = False
            return
        began = time.monotonic()
        try:
            raw = read_destination(notice.pid, notice.arguments[index], notice.arguments[index + 1] & 0xFFFFFFFF)
        except OSError:
            return  # a wrong pointer, which the kernel refuses too; or the caller is gone
        finally:
            self._reading += time.monotonic() - began
        found = parse_destination(raw)
        if found and notices.is_waiting(self._listener, notice.id):
            self._count(self._attempts, found)

    def _count(self, counts: dict[_Key, int], key: _Key) -> None:
        if key in counts or len(counts) < MOST_KINDS:
            counts[key] = counts.get(key, 0) + 1
        else:
            self._is_whole = False

    def _hand_over(self) -> None:
        """Have a process of its own answer from now on, which counts nothing."""
        try:
            self._relief = os.fork()
        except OSError:  # there are too many processes: it is tried again when it has taken as much once more
            self._heard = 0
            return
        self._is_whole = False
        if self._relief == 0:
            try:
                processes.die_with_parent()
                os.closerange(_FIRST, self._listener)
                os.closerange(self._listener + 1, _LAST)
                answer_until_end(self._listener, self._judge)
            finally:
                os._exit(0)
        self._leave()

    def _leave(self) -> None:
        if self._listener >= 0:
            self._selector.unregister(self._listener)
            os.close(self._listener)
            self._listener = -1


def answer_until_end(listener: int, judge: Judge, pidfd: int = -1) -> None:
    """Answer calls until every process that could ask has ended, or the process behind a descriptor has."""
    for notice in notices.arriving(listener, pidfd):
        judge.answer(listener, notice)
