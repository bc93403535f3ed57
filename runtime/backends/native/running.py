"""``NativeRunning``: one run, from the client's side."""

import os
import pickle
import signal
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from runtime.backends.native.collector import Findings
from runtime.backends.native.order import Order, Report
from runtime.backends.native.reading import to_outcome
from runtime.backends.native.streams import MOST, Allowance, Listener, Pump
from runtime.backends.native.warm import WarmProcess
from runtime.data import dataclass
from runtime.errors import BackendError
from runtime.outcome import Outcome


@dataclass(slots=True, kw_only=True)
class Lasting:
    """What it takes to look at a run that lasts, and to reach it; open until the run is closed.

    Args:
        pid: of its process 1, as this machine counts.
        user: descriptor of its user namespace.
        network: of its network namespace.
        written: what ``changed_paths`` takes, in descriptors: a file of the marks before the program began, the folder
            that catches what it writes into its tree, and the layers; empty where that cannot be had.
    """

    pid: int
    user: int
    network: int
    written: tuple[int, ...] = ()
    is_closed: bool = False

    def close(self) -> None:
        """Close the descriptors; idempotent."""
        if not self.is_closed:
            self.is_closed = True
            for each in (self.user, self.network, *self.written):
                os.close(each)


class NativeRunning:
    """One run under way; satisfies ``runtime.backend.Running``.

    Args:
        warm: the warm process.
        number: names the run between client and warm process.
        order: what to run.
        ambient: facts of the machine, for the outcome.
        stdin: descriptor for the program's stdin if the plan inherits it; None for none.
        listeners: called with each chunk of stdout and of stderr, in threads of their own.
        beside: the number of a run that lasts, whose network this one has; None for one of its own.

    Raises:
        BackendError: it could not be started; nothing is left behind.
    """

    def __init__(
        self,
        warm: WarmProcess,
        number: int,
        order: Order,
        ambient: Mapping[str, str],
        *,
        stdin: int | None = None,
        listeners: tuple[Listener | None, Listener | None] = (None, None),
        beside: int | None = None,
    ) -> None:
        self.lasting: Lasting | None = None
        self._warm, self._number, self._order, self._ambient = warm, number, order, ambient
        self._listeners = listeners
        self._begun, self._ended = threading.Event(), threading.Event()
        self._pumps: tuple[Pump, ...] = ()
        self._error: BackendError | None = None
        self._report: Report | None = None
        self._findings: Findings | None = None
        self._flooded = self._closed = False
        self._outcome: Outcome | None = None
        if beside is None:
            warm.start(number, order, () if stdin is None else (stdin,), self._answer)
        else:
            warm.join(number, beside, order, self._answer)
        self._begun.wait()
        if self._error and not self._pumps:
            raise self._error

    @property
    def number(self) -> int:
        """What names the run between client and warm process."""
        return self._number

    def wait(self) -> Outcome:
        """Wait until the run has ended and return what the kernel reported; a second call returns the same.

        Raises:
            BackendError: the run was lost or closed.
        """
        if self._outcome:
            return self._outcome
        self._ended.wait()
        streams = tuple(each.stream() for each in self._pumps)
        if self._closed:
            raise BackendError("the run was closed before it ended")
        if self._error or self._report is None or self._findings is None:
            raise self._error or BackendError("the run was lost: what it left could not be read")
        if self._findings.error:
            raise BackendError(self._findings.error)
        self._outcome = to_outcome(
            self._order.plan,
            self._report,
            self._findings,
            (streams[0], streams[1]),
            self._ambient,
            flooded=self._flooded,
            answers_itself=self._order.runtime.answers_itself if self._order.runtime else frozenset(),
        )
        return self._outcome

    def signal(self, number: int) -> None:
        """Send a signal to the program; nothing happens if it has ended."""
        with suppress(BackendError):
            self._warm.order("signal", self._number, signal.Signals(number).value)

    def close(self) -> None:
        """End every process of the run and wait until nothing of it is left; idempotent."""
        if not self._ended.is_set():
            self._closed = True
            with suppress(BackendError):
                self._warm.order("kill", self._number)
        self._ended.wait()
        for each in self._pumps:
            each.join()
        if self.lasting:
            self.lasting.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, message: tuple[Any, ...], descriptors: list[int]) -> None:
        match message:
            case "started", _:
                self._read(descriptors, Allowance(MOST, self._flood))
            case "started", _, int(pid):
                out, err, user, network, *written = descriptors
                self.lasting = Lasting(pid=pid, user=user, network=network, written=tuple(written))
                self._read([out, err], None)
            case "ended", _, Report() as report, found:
                self._report = report
                self._findings = found or _read_findings(descriptors[0])
                self._finish()
            case "failed", _, str(text), str(hint):
                self._error = BackendError(text, hint=hint)
                self._finish()
            case "lost", _, str(how):
                self._error = BackendError(f"the run was lost: the warm process {how}")
                self._finish()
            case _:
                self._error = BackendError("the run was lost: the warm process says what cannot be understood")
                self._finish()
        self._begun.set()

    def _read(self, descriptors: list[int], allowance: Allowance | None) -> None:
        """Begin to read the streams; what lasts may write without end."""
        self._pumps = tuple(
            Pump(descriptor, allowance, listener, terminal=self._order.plan.terminal)
            for descriptor, listener in zip(descriptors, self._listeners, strict=True)
        )
        for each in self._pumps:
            each.start()

    def _finish(self) -> None:
        self._warm.forget(self._number)
        self._ended.set()

    def _flood(self) -> None:
        self._flooded = True
        with suppress(BackendError):
            self._warm.order("kill", self._number)


def _read_findings(descriptor: int) -> Findings | None:
    with os.fdopen(descriptor, "rb") as stream:
        stream.seek(0)
        content = stream.read()
    if not content:
        return None
    found = pickle.loads(content)  # noqa: S301 - written by our own code
    return found if isinstance(found, Findings) else None
