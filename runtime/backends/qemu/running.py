"""``QemuRunning``: one run in a virtual machine, from the client's side."""

import signal
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType, TracebackType
from typing import Self

from runtime.backends.native import wire
from runtime.backends.native.streams import Listener
from runtime.backends.qemu.machine import Machine
from runtime.backends.qemu.messages import Message, MessageError, to_outcome
from runtime.backends.qemu.order import GuestOrder
from runtime.data import replace
from runtime.errors import BackendError
from runtime.factors.machinery import RuntimeFactor
from runtime.outcome import Evidence, Outcome

NAME = "qemu"


class QemuRunning:
    """One run under way; satisfies ``runtime.backend.Running``.

    Args:
        machine: where it runs.
        number: names the run between client and guest.
        order: what to run.
        ambient: facts of the machine beside those that the guest knows.
        listeners: called with each chunk of stdout and of stderr, in the machine's listening thread.

    Raises:
        BackendError: it could not be started; nothing is left behind.
    """

    def __init__(
        self,
        machine: Machine,
        number: int,
        order: GuestOrder,
        ambient: Mapping[str, str],
        *,
        listeners: tuple[Listener | None, Listener | None] = (None, None),
    ) -> None:
        self._machine, self._number, self._order, self._ambient = machine, number, order, ambient
        self._listeners = dict(zip(("out", "err"), listeners, strict=True))
        self._begun, self._ended = threading.Event(), threading.Event()
        self._error: BackendError | None = None
        self._outcome: Outcome | None = None
        self._has_begun = self._closed = False
        machine.order(Message({"do": "start", "number": number}, wire.packed(order)), self._answer)
        self._begun.wait()
        if self._error and not self._has_begun:
            raise self._error

    def wait(self) -> Outcome:
        """Wait until the run has ended and return what the kernel reported; a second call returns the same.

        Raises:
            BackendError: the run was lost or closed.
        """
        self._ended.wait()
        if self._closed:
            raise BackendError("the run was closed before it ended")
        if self._outcome is None:
            raise self._error or BackendError("the run was lost: what it left could not be read")
        return self._outcome

    def signal(self, number: int) -> None:
        """Send a signal to the program; nothing happens if it has ended."""
        self._tell({"do": "signal", "number": self._number, "which": signal.Signals(number).value})

    def close(self) -> None:
        """End every process of the run and wait until nothing of it is left; idempotent."""
        if not self._ended.is_set():
            self._closed = True
            self._tell({"do": "close", "number": self._number})
        self._ended.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _tell(self, order: Mapping[str, object]) -> None:
        with suppress(BackendError):  # it has ended with its machine
            self._machine.order(Message(order))

    def _answer(self, message: Message) -> None:
        match message.head:
            case {"what": "started"}:
                self._has_begun = True
                self._begun.set()
            case {"what": ("out" | "err") as name}:
                listener = self._listeners[name]
                if listener and message.body:
                    listener(message.body)
            case {"what": "ended"}:
                self._finish(message)
            case {"what": "failed", "message": text, "hint": hint}:
                self._fail(BackendError(str(text), hint=str(hint)))
            case {"what": "lost", "message": text}:
                self._fail(BackendError(f"the run was lost: its virtual machine has ended: {text}"))
            case _:
                self._fail(BackendError(f"the run was lost: its guest says {sorted(message.head)}"))

    def _finish(self, message: Message) -> None:
        try:
            found = to_outcome(message)
        except MessageError as error:
            self._fail(BackendError(f"the run was lost: {error}"))
            return
        evidence = dict(found.evidence)
        if self._order.plan.levels.get(RuntimeFactor.name) == NAME:
            # Inside it is the native runtime that makes the container; that it is a machine's is known out here.
            evidence[RuntimeFactor.name] = Evidence(found=NAME, holds=True)
        ambient = MappingProxyType({**found.ambient, **self._ambient})
        self._outcome = replace(found, evidence=MappingProxyType(evidence), ambient=ambient)
        self._end()

    def _fail(self, error: BackendError) -> None:
        self._error = error
        self._end()

    def _end(self) -> None:
        self._machine.forget(self._number)
        self._ended.set()
        self._begun.set()
