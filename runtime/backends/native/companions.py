"""The services of one run, as the warm process watches over them: started, waited for, told of, ended."""

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from runtime.backends.native import wire
from runtime.backends.native.births import Births
from runtime.backends.native.cgroups import RunGroup
from runtime.backends.native.order import Order
from runtime.data import dataclass, field
from runtime.errors import BackendError
from runtime.outcome import Ending
from runtime.plan import Service

GRACE = 5.0
"""Seconds that services have for their end when they are asked for it."""

_BEGINNING_TIME = 10.0  # seconds until a program that nothing is asked of has begun
_LONGEST_LOG = 4096
_SHOWN_LINES = 10
_CHUNK = 1 << 16


@dataclass(slots=True, kw_only=True)
class _Companion:
    """One service under way; ``due`` is when it must be ready (monotonic seconds)."""

    service: Service
    pid: int
    pidfd: int
    control: socket.socket
    group: RunGroup
    due: float
    log: int = -1
    tail: bytes = b""
    has_begun: bool = False
    answers: bool = False
    status: int | None = None
    error: tuple[str, str] | None = None
    is_forgotten: bool = False
    is_killed: bool = False

    @property
    def is_ready(self) -> bool:
        return self.has_begun and (self.service.ready is None or self.answers)


@dataclass(slots=True, kw_only=True)
class Companions:
    """All services of one run.

    Args:
        services: as the plan has them.
        orders: how each is carried out.
        births: clones the processes that become services.
        selector: of the loop that calls back.
        ready: is called once when every service is ready.
        failed: is called once when one has ended or is not ready in time; ``fault`` says it.
        gone: is called once when the last one has ended after ``stop``.
        endings: how each ended that ``stop`` asked, in the order of their ends.
    """

    services: tuple[Service, ...]
    orders: tuple[Order, ...]
    births: Births
    selector: selectors.BaseSelector
    ready: Callable[[], None]
    failed: Callable[[], None]
    gone: Callable[[], None]
    fault: tuple[str, str] | None = None
    endings: list[Ending] = field(default_factory=list, init=False)
    _running: list[_Companion] = field(default_factory=list, init=False)
    _is_waiting: bool = field(default=True, init=False)
    _asked_at: float = field(default=0.0, init=False)
    _stops_at: float = field(default=0.0, init=False)

    @property
    def are_gone(self) -> bool:
        """Whether none is left."""
        return not self._running

    @property
    def due(self) -> float:
        """When the clock must be looked at next; infinity if it need not be."""
        if self._stops_at:
            return self._stops_at if self._running else float("inf")
        if not self._is_waiting:
            return float("inf")
        return min((each.due for each in self._running if not each.is_ready), default=float("inf"))

    def start(self, namespaces: tuple[int, int]) -> None:
        """Start all of them in the namespaces of their run.

        Raises:
            BackendError, OSError: one could not be started; ``close`` ends the others.
        """
        for service, order in zip(self.services, self.orders, strict=True):
            self._running.append(self._start(service, order, namespaces))

    def look_at_clock(self, now: float) -> None:
        """End what did not end in its grace, and tell of what is not ready in time."""
        if self._stops_at:
            if now >= self._stops_at:
                for each in self._running:
                    each.is_killed = True
                self._signal(signal.SIGKILL)
                self._stops_at = now + GRACE
            return
        for each in self._running if self._is_waiting else ():
            if not each.is_ready and now >= each.due:
                self._fail(each, _not_ready(each))

    def look(self) -> None:
        """Notice those that have ended, whether or not their turn in the loop has come."""
        for each in list(self._running):
            if os.waitid(os.P_PIDFD, each.pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                self._reap(each)

    def stop(self) -> None:
        """Ask all of them to end; what is left after the grace is killed with its PID namespace."""
        if not self._stops_at:
            self._asked_at = time.monotonic()
            self._stops_at = self._asked_at + GRACE
            self._signal(signal.SIGTERM)

    def close(self) -> None:
        """End all of them, here and now."""
        self._stops_at = self._stops_at or time.monotonic()
        self._signal(signal.SIGKILL)
        for each in list(self._running):
            with suppress(ChildProcessError):
                os.waitpid(each.pid, 0)
            self._forget(each)

    def _start(self, service: Service, order: Order, namespaces: tuple[int, int]) -> _Companion:
        try:
            newborn = self.births.join(order, namespaces, service.ready.port if service.ready else 0)
        except BackendError as error:
            raise BackendError(
                f"service {service.name!r} could not be started: {error.message}", hint=error.hint
            ) from error
        newborn.control.setblocking(False)  # noqa: FBT003 - the interface of sockets
        within = service.ready.within / 1000 if service.ready else _BEGINNING_TIME
        found = _Companion(
            service=service,
            pid=newborn.pid,
            pidfd=os.pidfd_open(newborn.pid),
            control=newborn.control,
            group=newborn.group,
            due=time.monotonic() + within,
        )
        self.selector.register(found.control, selectors.EVENT_READ, lambda: self._hear(found))
        self.selector.register(found.pidfd, selectors.EVENT_READ, lambda: self._reap(found))
        return found

    def _hear(self, companion: _Companion) -> None:
        while not companion.is_forgotten:
            try:
                message, descriptors = wire.receive_json(companion.control)
            except BlockingIOError:
                break
            if message is None:
                with suppress(KeyError):
                    self.selector.unregister(companion.control)
                break
            self._note(companion, message, descriptors)
        if self._is_waiting and self._running and all(each.is_ready for each in self._running):
            self._is_waiting = False
            self.ready()

    def _note(self, companion: _Companion, message: dict[str, Any], descriptors: list[int]) -> None:
        match message:
            case {"log": True}:
                (companion.log,) = descriptors
                os.set_blocking(companion.log, False)
                self.selector.register(companion.log, selectors.EVENT_READ, lambda: self._read(companion))
            case {"ready": _}:
                companion.has_begun = True
            case {"answers": _}:
                companion.answers = True
            case {"status": status}:
                companion.status = status
            case {"error": text, "hint": hint}:
                companion.error = (text, hint)
            case _:
                companion.error = (f"it says what cannot be understood: {sorted(message)}", "")

    def _read(self, companion: _Companion) -> bool:
        """Read a part of what a service says and keep the end of it; tell whether there may be more."""
        if companion.log < 0:
            return False  # it has ended in this turn of the loop
        try:
            chunk = os.read(companion.log, _CHUNK)
        except BlockingIOError:
            return False
        companion.tail = (companion.tail + chunk)[-_LONGEST_LOG:]
        if not chunk:
            self._close_log(companion)
        return bool(chunk)

    def _reap(self, companion: _Companion) -> None:
        """Take the end of a service; before it was asked to end that is a fault."""
        if companion.is_forgotten:
            return
        self._hear(companion)
        _, status = os.waitpid(companion.pid, 0)
        companion.status = status if companion.status is None else companion.status
        if not self._stops_at:
            while companion.log >= 0 and self._read(companion):
                pass
            self._fail(companion, _how_it_ended(companion))
        elif self._asked_at:
            self.endings.append(_ending(companion, time.monotonic() - self._asked_at))
        self._forget(companion)
        if self._stops_at and not self._running:
            self.gone()

    def _fail(self, companion: _Companion, what: str) -> None:
        if self.fault is None:
            self.fault = (f"service {companion.service.name!r} {what}{_last_lines(companion)}", _hint(companion))
            self.failed()

    def _signal(self, number: int) -> None:
        for each in self._running:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(each.pidfd, number)

    def _forget(self, companion: _Companion) -> None:
        companion.is_forgotten = True  # the loop may still have a turn for it
        self._running.remove(companion)
        for each in (companion.control, companion.pidfd):
            with suppress(KeyError, ValueError):
                self.selector.unregister(each)
        self._close_log(companion)
        companion.control.close()
        os.close(companion.pidfd)
        companion.group.remove()

    def _close_log(self, companion: _Companion) -> None:
        if companion.log >= 0:
            with suppress(KeyError):
                self.selector.unregister(companion.log)
            os.close(companion.log)
            companion.log = -1


def _not_ready(companion: _Companion) -> str:
    ready = companion.service.ready
    if not ready or not companion.has_begun:
        return "has not begun in time"
    return f"was not ready within {ready.within / 1000:g} s: it accepts no connection on 127.0.0.1:{ready.port}"


def _how_it_ended(companion: _Companion) -> str:
    if companion.error:
        return f"could not be started: {companion.error[0]}"
    if companion.group.usage().oom_kills > 0:  # -1 where nobody counts
        return "ended: it wanted more memory than its limit allows"
    code = os.waitstatus_to_exitcode(companion.status or 0)
    how = f"with signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return f"ended {how} before the suite did"


def _ending(companion: _Companion, seconds: float) -> Ending:
    code = os.waitstatus_to_exitcode(companion.status or 0)
    return Ending(
        name=companion.service.name,
        is_service=True,
        exit_code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        is_killed=companion.is_killed,
        duration=round(seconds * 1000),
    )


def _last_lines(companion: _Companion) -> str:
    """Return the end of the log as the end of a message; empty where it wrote nothing."""
    text = companion.tail.decode("utf-8", "backslashreplace").strip()
    if not text:
        return "; it wrote nothing"
    return "; it wrote last: " + " | ".join(line.strip() for line in text.splitlines()[-_SHOWN_LINES:])


def _hint(companion: _Companion) -> str:
    if companion.error and companion.error[1]:
        return companion.error[1]
    return f"see what `{' '.join(companion.service.argv)[:80]}` of services.{companion.service.name} needs"
