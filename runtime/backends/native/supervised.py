"""One run, as the warm process watches over it."""

import os
import pickle
import resource
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING

from runtime.backends.native.attempts import read_attempts
from runtime.backends.native.cgroups import RunGroup
from runtime.backends.native.collector import Findings, Remains, collect, collect_at_once
from runtime.backends.native.companions import Companions
from runtime.backends.native.effective import namespaces, to_record
from runtime.backends.native.idmap import IdMap
from runtime.backends.native.observer import Observer
from runtime.backends.native.order import Order, Report
from runtime.backends.native.strain import Mark, Strain, mark, strain_since
from runtime.backends.native.tracker import Tracker
from runtime.canonical import Json
from runtime.data import dataclass, field, replace
from runtime.outcome import Ending

if TYPE_CHECKING:
    from runtime.backends.native.tracing.tracer import Tracer

SETUP_TIME = 60.0
"""Seconds that the way into a run may take."""

COLLECTION_TIME = 120.0
"""Seconds that reading what a run left may take."""


class Phase(Enum):
    """Where a run is."""

    ENTERING = auto()
    RUNNING = auto()
    COLLECTING = auto()
    ENDED = auto()


@dataclass(slots=True, kw_only=True)
class Supervised:
    """One run under way: its process 1, what it has handed over, and when its time is over (monotonic seconds)."""

    number: int
    order: Order
    pid: int
    pidfd: int
    control: socket.socket
    group: RunGroup
    tracker: Tracker | None
    one_id: bool = False
    phase: Phase = Phase.ENTERING
    due: float = 0.0
    began: float = 0.0
    streams: tuple[int, int] | None = None
    remains: Remains | None = None
    mark: Mark | None = None
    error: tuple[str, str] | None = None
    status: int | None = None
    ended: float = 0.0
    left: list[Ending] = field(default_factory=list)
    deadline: bool = False
    evidence: dict[str, str] = field(default_factory=dict)
    sandbox: Mapping[str, Json] | None = None
    report: Report | None = None
    findings: int = -1
    found: Findings | None = None
    companions: Companions | None = None
    observer: Observer | None = None
    tracer: "Tracer | None" = None
    watch: list[int] = field(default_factory=list)
    shared: list[int] = field(default_factory=list)

    @property
    def wakes_at(self) -> float:
        """When the clock must be looked at for this run."""
        due = float("inf") if self.phase is Phase.ENDED else self.due
        return min(due, self.companions.due) if self.companions else due

    def kill(self) -> None:
        """End every process of the run, at once: the PID namespace dies with its process 1."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def receive_handed(self, descriptors: list[int], uppers: int, roots: int) -> None:
        """Keep what the run hands over before it leaves this machine."""
        out, err, user, mount, before, *rest = descriptors
        self.streams = (out, err)
        self.remains = Remains(
            user_namespace=user,
            mount_namespace=mount,
            before=before,
            upper=rest[0] if uppers else -1,
            root=rest[uppers] if roots else -1,
            layers=tuple(rest[uppers + roots :]),
        )
        if self.order.evidence:
            self.mark = mark(self.group.groups, self.remains.upper)

    def end(self, status: int, used: resource.struct_rusage) -> None:
        """Note how process 1 ended, and what the run has used."""
        ended = self.ended or time.monotonic()
        usage = self.group.usage()
        if self.tracker:
            # A run that ended between two samples had at least its first process, and the kernel kept its size.
            memory = max(self.tracker.memory, used.ru_maxrss * 1024)
            processes = max(self.tracker.processes, 1)
            usage = replace(
                usage,
                memory=memory if usage.memory < 0 else usage.memory,
                processes=processes if usage.processes < 0 else usage.processes,
            )
        self.report = Report(
            status=status if self.status is None else self.status,
            deadline=self.deadline,
            duration=round((ended - self.began) * 1000) if self.began else 0,
            cpu_time=round((used.ru_utime + used.ru_stime) * 1000),
            usage=usage,
            strain=self._strain(has_oom_kills=usage.oom_kills > 0),
            watched=self.tracker is not None,
            one_id=self.one_id,
            evidence=self.evidence,
            sandbox=self._sandbox(usage.in_effect or {}),
            calls=self.observer.calls() if self.observer else None,
            network=read_attempts(self.watch) if self.watch else None,
            trace=self.tracer.trace() if self.tracer else b"",
            shutdown=None if self.order.runtime else tuple(sorted(self.left, key=lambda each: each.rank)),
        )

    def _strain(self, *, has_oom_kills: bool) -> Strain:
        if self.mark is None or self.remains is None:
            return Strain()
        return strain_since(self.mark, self.group.groups, self.remains.upper, has_oom_kills=has_oom_kills)

    def _sandbox(self, groups: Mapping[str, str]) -> Mapping[str, Json]:
        if self.sandbox is None:
            return {}
        return to_record(self.sandbox, namespaces(), groups, self.order.plan.environment)

    def findings_at_once(self, id_map: IdMap) -> Findings | None:
        """Return what the run left if that can be read in a moment; None asks for ``start_collecting``."""
        if self.order.is_lasting or self.remains is None:  # nobody reads it; what joined a run hands nothing over
            return Findings(artifacts={})
        assert self.remains is not None  # noqa: S101 - a run that began has handed them over
        return collect_at_once(self.order.plan, self.remains, id_map)

    def start_collecting(self) -> None:
        """Fork the process that reads what the run left; when it has ended, the file ``findings`` holds it."""
        assert self.remains is not None  # noqa: S101 - a run that began has handed them over
        self.findings = os.memfd_create("seatrial-findings")
        os.close(self.pidfd)
        warm = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                found = pickle.dumps(collect(self.order.plan, self.remains, parent=warm))
                with os.fdopen(self.findings, "wb") as stream:
                    stream.write(found)
            finally:
                os._exit(0)
        self.pidfd = os.pidfd_open(self.pid)
        self.phase = Phase.COLLECTING
        self.due = time.monotonic() + COLLECTION_TIME

    def close(self) -> None:
        """Give back every descriptor and remove the control groups; the processes have ended."""
        if self.companions:
            self.companions.close()
        if self.observer:
            self.observer.close()
        if self.tracer:
            self.tracer.close()
        self.group.remove()
        self.control.close()
        os.close(self.pidfd)
        if self.remains:
            self.remains.close()
        for each in (*(self.streams or ()), *self.watch, *self.shared, self.findings):
            if each >= 0:
                os.close(each)
