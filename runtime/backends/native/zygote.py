"""The small warm process from which every run is cloned: one thread, little memory, nothing loaded but what runs need.

To clone from a large process costs what its page tables cost (24 ms at 500 MB, measured), and one with threads may
deadlock. It is started once, takes orders from one socket, and ends with it: then it ends every run.
"""

import codecs
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from runtime.backends.native import processes, wire
from runtime.backends.native.births import Births
from runtime.backends.native.cgroups import read_parents
from runtime.backends.native.companions import Companions
from runtime.backends.native.compiled_init import open_compiled_init
from runtime.backends.native.entries import Entries
from runtime.backends.native.entry import GROUPS, LIMITED
from runtime.backends.native.idmap import read_id_map
from runtime.backends.native.kernel_files import name_of_this
from runtime.backends.native.leftovers import read_ending
from runtime.backends.native.machine import read_machine
from runtime.backends.native.order import Order, RecentOrders
from runtime.backends.native.spares import Newborn
from runtime.backends.native.stacks import is_needed, leave_mounts
from runtime.backends.native.supervised import SETUP_TIME, Phase, Supervised
from runtime.backends.native.tracker import INTERVAL, Tracker
from runtime.data import replace
from runtime.errors import BackendError, SeatrialError

_LAST = 1 << 20  # beyond any limit of open files

ONE_ID = "one-id"
"""The argument that tells of it."""

_LONGEST_PAUSE = 3600.0  # seconds; what lasts is due in years, and the kernel counts milliseconds in an int

_IDLE = 0.002  # seconds without anything to do: the next order, if it comes at once, comes sooner


class Zygote:
    """The loop of the warm process.

    Args:
        client: gives orders, and hears how they end.
        one_id: whether runs have one id only.
        init: descriptor of the compiled process 1; -1 for none.
    """

    def __init__(self, client: socket.socket, *, one_id: bool, init: int) -> None:
        self._client = client
        self._recent = RecentOrders()
        self._one_id = one_id
        self._runs: dict[int, Supervised] = {}
        self._parents = read_parents()
        self._stacks = is_needed()
        owner = f"seatrial-{name_of_this()}"
        self._entries = Entries(read_machine(), one_id=one_id, init=init)
        self._births = Births(self._entries, self._parents, owner, one_id=one_id, stacks=self._stacks)
        self._together = 0
        self._begun = 0
        self._expected: Order | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(client, selectors.EVENT_READ, self._take_order)

    def serve(self) -> None:
        """Sweep what dead owners left, say hello, and work until the client is gone; then end every run."""
        self._parents.sweep()
        if self._stacks:
            leave_mounts()
        try:
            wire.send(self._client, ("hello", self._parents.offers, self._parents.versions))
            self._entries.get_ready()
            while True:
                heard = self._selector.select(self._pause())
                for key, _ in heard:
                    key.data()
                self._look_at_clock()
                if not heard:
                    self._prepare()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            pass
        finally:
            self._end_all()

    def _take_order(self) -> None:
        message, descriptors = wire.receive(self._client)
        match message:
            case "start", int(number), Order() as order:
                self._recent.add(order)
                self._start(number, order, descriptors)
            case "again", int(number), int(place):
                self._start(number, self._recent.at(place), descriptors)
            case "join", int(number), int(other), Order() as order:
                self._join(number, other, order)
            case "signal", int(number), int(which):
                if run := self._running(number):
                    with suppress(ProcessLookupError):
                        signal.pidfd_send_signal(run.pidfd, which)
            case "kill", int(number):
                if run := self._running(number):
                    run.kill()
                    if run.companions:
                        run.companions.close()
            case _:
                raise ValueError(f"no such order: {message!r}")

    def _running(self, number: int) -> Supervised | None:
        run = self._runs.get(number)
        return run if run and run.phase in (Phase.ENTERING, Phase.RUNNING) else None

    def _start(self, number: int, order: Order, descriptors: list[int]) -> None:
        try:
            newborn = self._births.give(order, descriptors)
        except Exception as error:  # noqa: BLE001 - one order that fails must not end the runs of others
            wire.send(self._client, ("failed", number, *_told(error)))
            return
        finally:
            for each in descriptors:
                os.close(each)
        self._watch(number, order, newborn)

    def _join(self, number: int, other: int, order: Order) -> None:
        """Start a run in the network of another one, which must last."""
        try:
            newborn = self._births.join(order, self._namespaces(other), 0)
        except Exception as error:  # noqa: BLE001 - as above
            wire.send(self._client, ("failed", number, *_told(error)))
            return
        self._watch(number, order, newborn)

    def _namespaces(self, number: int) -> tuple[int, int]:
        """Return what a run that lasts shares with others."""
        run = self._running(number)
        if run is None or not run.shared:
            raise BackendError("the run to be joined has ended")
        user, network = run.shared
        return user, network

    def _watch(self, number: int, order: Order, newborn: Newborn) -> None:
        complete = order.is_lasting or {"memory", "pids"} <= newborn.group.groups.keys()
        run = Supervised(
            number=number,
            order=order,
            pid=newborn.pid,
            pidfd=os.pidfd_open(newborn.pid),
            control=newborn.control,
            group=newborn.group,
            tracker=None if complete else Tracker(newborn.pid),
            one_id=self._one_id,
            due=time.monotonic() + SETUP_TIME,
        )
        if order.services:
            run.companions = self._companions_of(run)
        self._runs[number] = run
        self._together = max(self._together, len(self._runs))
        run.control.setblocking(False)  # noqa: FBT003 - the interface of sockets
        self._selector.register(run.control, selectors.EVENT_READ, lambda: self._attend(run, self._hear))
        self._selector.register(run.pidfd, selectors.EVENT_READ, lambda: self._attend(run, self._reap))

    def _attend(self, run: Supervised, attend: Callable[[Supervised], None]) -> None:
        """Attend to one run; what fails is its own, and ends no other."""
        try:
            attend(run)
        except (BrokenPipeError, ConnectionResetError):  # the client is gone
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the run is lost and its client must hear of it
            if run.number in self._runs:
                self._lose(run, error)

    def _lose(self, run: Supervised, error: Exception) -> None:
        """End a run of which we cannot tell any more how it went."""
        run.kill()
        with suppress(KeyError):
            self._selector.unregister(run.pidfd)
        with suppress(ChildProcessError):
            os.waitpid(run.pid, 0)
        with suppress(OSError):
            self._forget(run)
        self._runs.pop(run.number, None)
        wire.send(self._client, ("failed", run.number, f"the run was lost: {_named(error)}", ""))

    def _companions_of(self, run: Supervised) -> Companions:
        return Companions(
            services=run.order.plan.services,
            orders=run.order.services,
            births=self._births,
            selector=self._selector,
            ready=lambda: self._go_on(run),
            failed=run.kill,
            gone=lambda: self._tell_end(run),
        )

    def _start_companions(self, run: Supervised, descriptors: list[int]) -> None:
        """Start the services of a run that has made the network; it goes on when they are ready."""
        user, network = descriptors
        try:
            assert run.companions  # noqa: S101 - only a run with services lets others join
            run.companions.start((user, network))
        except (BackendError, OSError) as error:
            run.error = _told(error)
            run.kill()
        finally:
            for each in descriptors:
                os.close(each)

    def _go_on(self, run: Supervised) -> None:
        """Let a run whose services are ready begin; its own time to set up begins anew."""
        run.due = time.monotonic() + SETUP_TIME
        with suppress(BrokenPipeError, ConnectionResetError):  # it has failed meanwhile, which is still to be heard
            run.control.send(GROUPS)

    def _hear(self, run: Supervised) -> None:
        """Take what a run says: at its end there is nothing more to hear."""
        while True:
            try:
                message, descriptors = wire.receive_json(run.control)
            except BlockingIOError:
                return
            if message is None:
                with suppress(KeyError):
                    self._selector.unregister(run.control)
                return
            self._note(run, message, descriptors)

    def _note(self, run: Supervised, message: dict[str, Any], descriptors: list[int]) -> None:  # noqa: C901, PLR0912 - a case each
        match message:
            case {"handed": uppers, "roots": roots}:
                run.receive_handed(descriptors, uppers, roots)
            case {"watch": True}:
                run.watch = descriptors
            case {"listener": True}:
                self._listen(run, descriptors[0])
            case {"shared": True} if run.order.is_lasting:
                run.shared = descriptors
            case {"shared": True}:
                self._start_companions(run, descriptors)
            case {"log": True}:
                run.streams = (descriptors[0], os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
            case {"limit": True}:
                self._limit(run, descriptors)
            case {"evidence": found}:
                run.evidence.update(found)
            case {"sandbox": found}:
                run.sandbox = found
            case {"ready": began, "pid": pid}:
                run.began = began / 1e9
                run.due = run.began + run.order.plan.deadline / 1000
                run.phase = Phase.RUNNING
                self._begun += 1
                self._expected = None if run.order.is_lasting else run.order
                if run.tracker:
                    run.tracker.sample()
                run.evidence["pid1"] = "app" if pid == 1 else "init"
                run.evidence["runtime"] = run.order.runtime.name if run.order.runtime else "native"
                self._tell_start(run)
            case {"status": status}:
                run.status, run.ended = status, time.monotonic()
            case {"left": _}:
                run.left.append(read_ending(message))
            case {"error": text, "hint": hint}:
                run.error = (text, hint)
            case _:
                run.error = (f"the run says what cannot be understood: {sorted(message)}", "")

    def _tell_start(self, run: Supervised) -> None:
        """Give the client the streams of a run; of one that lasts, what it takes to look at it and to reach it."""
        streams = run.streams or ()
        if not run.order.is_lasting:
            wire.send(self._client, ("started", run.number), streams)
            return
        written: list[int] = []
        if run.remains and run.remains.upper >= 0:
            written = [run.remains.before, run.remains.upper, *run.remains.layers]
        wire.send(self._client, ("started", run.number, run.pid), [*streams, *run.shared, *written])

    def _listen(self, run: Supervised, listener: int) -> None:
        """Have somebody answer the calls of a run that are handed on."""
        if run.order.plan.is_traced:
            run.tracer = self._entries.tracer_of(run.order.plan, listener)
        else:
            run.observer = self._entries.observer_of(run.order.plan, listener, self._selector)

    def _limit(self, run: Supervised, pidfds: list[int]) -> None:
        """Put processes of a run into its control groups; one that has ended meanwhile needs none."""
        try:
            for pid in filter(lambda pid: pid > 0, map(processes.pid_of, pidfds)):
                run.group.add(pid)
            run.control.send(LIMITED)
        except OSError as error:
            run.error = (f"cannot limit the run: {error}", "")
            run.kill()
        finally:
            for each in pidfds:
                os.close(each)

    def _reap(self, run: Supervised) -> None:
        """Take the end of process 1, or of the process that reads what a run left."""
        self._hear(run)
        self._selector.unregister(run.pidfd)
        _, status, used = os.wait4(run.pid, 0)
        if run.companions and run.phase is not Phase.COLLECTING:
            run.companions.look()  # a suite that fails as its service dies may end before we heard of that
        fault = run.companions.fault if run.companions else None
        if run.phase is Phase.COLLECTING:
            run.phase = Phase.ENDED
            self._tell_end(run)
        elif fault or run.phase is Phase.ENTERING or (run.error and run.status is None):
            text = f"the process ended with {os.waitstatus_to_exitcode(status)} before the program began"
            self._forget(run)
            wire.send(self._client, ("failed", run.number, *(fault or run.error or (text, ""))))
        else:
            if run.companions:
                run.companions.stop()
            run.end(status, used)
            run.found = run.findings_at_once(self._births.id_map)
            if run.found:
                run.phase = Phase.ENDED
                self._tell_end(run)
                return
            run.start_collecting()
            self._selector.register(run.pidfd, selectors.EVENT_READ, lambda: self._attend(run, self._reap))

    def _tell_end(self, run: Supervised) -> None:
        """Tell of a run that is read and whose services have ended; who hears of it finds nothing left."""
        if run.phase is not Phase.ENDED or (run.companions and not run.companions.are_gone):
            return
        if run.companions and run.report:
            endings = (*sorted(run.companions.endings, key=lambda each: each.rank), *(run.report.shutdown or ()))
            run.report = replace(run.report, shutdown=endings)
        findings, run.findings = run.findings, -1
        self._forget(run)
        wire.send(self._client, ("ended", run.number, run.report, run.found), [findings] if findings >= 0 else [])
        if findings >= 0:
            os.close(findings)
        self._expected = None if run.order.is_lasting else run.order

    def _prepare(self) -> None:
        """Make ready for the next order when there is nothing else to do, so that none waits for what only may come.

        Not for a second one, as the first is the only one as often as not.
        """
        order, first = self._expected, self._begun < 2
        if order is None or first or not self._births.prepare(order, most=self._together):
            self._expected = None  # else once more: one may be missing for each run that goes on at the same time

    def _forget(self, run: Supervised) -> None:
        with suppress(KeyError):
            self._selector.unregister(run.control)
        run.close()
        del self._runs[run.number]

    def _pause(self) -> float | None:
        """Return the seconds until there is something to do; None if only an order or a run brings it."""
        pauses = [_IDLE] if self._expected else []
        if any(run.tracker and run.phase in (Phase.ENTERING, Phase.RUNNING) for run in self._runs.values()):
            pauses.append(INTERVAL)
        now = time.monotonic()
        pauses.extend(max(0.0, run.wakes_at - now) for run in self._runs.values())
        return min((*pauses, _LONGEST_PAUSE)) if pauses else None

    def _look_at_clock(self) -> None:
        now = time.monotonic()
        for run in list(self._runs.values()):
            if run.tracker and run.phase is Phase.RUNNING:
                run.tracker.sample_at(now)
            if run.companions:
                run.companions.look_at_clock(now)
            if now < run.due or run.phase is Phase.ENDED:
                continue
            run.deadline = run.phase is Phase.RUNNING and run.status is None
            if run.phase is Phase.ENTERING:
                run.error = run.error or (f"the way into the run took more than {SETUP_TIME:.0f} s", "")
            run.kill()
            run.due = now + SETUP_TIME  # a second kill only if the first had no effect

    def _end_all(self) -> None:
        self._births.end()
        for run in self._runs.values():
            run.kill()
        for run in self._runs.values():
            with suppress(ChildProcessError):
                os.waitpid(run.pid, 0)
            run.close()


def serve(client: socket.socket, home: str, *, one_id: bool | None = None) -> None:
    """Serve a client until it is gone.

    Args:
        client: the socket to it; every other descriptor from 3 on is closed.
        home: the folder that holds the package ``runtime``.
        one_id: whether runs have one id only; None finds out.
    """
    os.closerange(3, client.fileno())
    os.closerange(client.fileno() + 1, _LAST)
    for encoding in ("ascii", "latin-1", "utf-8"):
        codecs.lookup(encoding)  # loaded from this machine's files now; inside a run there are none
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the client has made a session for this process: no terminal's Ctrl-C
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    processes.default_internal_signals()
    init = open_compiled_init(home)
    has_one_id = read_id_map().has_one_id if one_id is None else one_id
    Zygote(client, one_id=has_one_id, init=init).serve()


def main() -> None:
    """Serve on the socket whose number is the first argument, from the folder that the second one names.

    The third is ``one-id`` if runs have one id only.
    """
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], one_id=sys.argv[3:] == [ONE_ID])
    os._exit(0)  # nothing is left to be done, and the interpreter's own end takes as long as a run


def _told(error: Exception) -> tuple[str, str]:
    if isinstance(error, SeatrialError):
        return error.message, error.hint
    return f"cannot start the run: {_named(error)}", ""


def _named(error: Exception) -> str:
    where = error.__traceback__
    while where and where.tb_next:
        where = where.tb_next
    place = f" ({where.tb_frame.f_code.co_name}, line {where.tb_lineno})" if where else ""
    return f"{type(error).__name__}: {error}{place}"


if __name__ == "__main__":
    main()
