"""The processes that become runs: cloned when an order comes, or ahead of it, as spares.

A spare is in namespaces and control groups of its own, has stacked the layers, mounted and masked the kernel's file
systems, or has done all that a plan says, and waits for its order. It is made beside a run or after it, like that run,
as nearly every image is run more than once. An order that needs something else (another image, another network, a limit
that wants one control group more) is cloned as ever.
"""

import os
import signal
import socket
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cached_property

from runtime.backends.native import processes, wire
from runtime.backends.native.cgroups import Parents, RunGroup
from runtime.backends.native.entries import Entries
from runtime.backends.native.entry import GO, GROUPS, IDS, Ahead
from runtime.backends.native.idmap import IdMap, read_id_map, write_id_map
from runtime.backends.native.order import Order
from runtime.backends.native.spares import Likeness, Newborn, Spares
from runtime.backends.native.stacks import Stack, stacked
from runtime.errors import BackendError
from runtime.plan import Limits

_JOINING_TIME = 10.0  # seconds until a process has joined a run: it opens folders and enters namespaces
_NO_LIMITS = Limits(memory=None, processes=None)

_NAMESPACES = (
    processes.CLONE_NEWUSER
    | processes.CLONE_NEWNS
    | processes.CLONE_NEWPID
    | processes.CLONE_NEWNET
    | processes.CLONE_NEWIPC
    | processes.CLONE_NEWUTS
)


class Births:
    """Clones the processes that become runs, and keeps the spares.

    Args:
        entries: makes the ways in.
        parents: where control groups are made.
        owner: the beginning of their names, which tells whose they are.
        one_id: whether runs have one id only.
        stacks: whether this kernel lets no run stack its layers by itself.
    """

    def __init__(self, entries: Entries, parents: Parents, owner: str, *, one_id: bool, stacks: bool) -> None:
        self._stacks = stacks
        self._entries = entries
        self._parents = parents
        self._owner = owner
        self._one_id = one_id
        self._spares = Spares(one_id=one_id)
        self._born = 0

    @cached_property
    def id_map(self) -> IdMap:
        """The ids of all runs: looked up once, as a plain user's stand in files of this machine."""
        return read_id_map(one_id=self._one_id)

    def give(self, order: Order, descriptors: list[int]) -> Newborn:
        """Return the process of an order, on its way: a spare if one is like it.

        Args:
            order: the run to become.
            descriptors: its stdin, if its plan inherits it.

        Raises:
            BackendError: ids or control groups were refused; nothing is left behind.
            OSError: the kernel refused a process.
        """
        self._spares.note(order)
        while found := self._spares.take(order):
            likeness, spare = found
            try:
                self._hand_order(likeness, spare, order, descriptors)
            except (BrokenPipeError, ConnectionResetError):  # it has died while it waited
                spare.end()
            except BaseException:
                spare.end()
                raise
            else:
                return spare
        return self._clone(order, descriptors[0] if descriptors else -1)

    def join(self, order: Order, namespaces: tuple[int, int], port: int) -> Newborn:
        """Return the process of a service, on its way.

        Args:
            order: what it runs.
            namespaces: the user and the network namespace of its run.
            port: whose first answer it tells; 0 for none.

        Raises:
            BackendError: it could not join the run; nothing is left behind.
            OSError: the kernel refused a process.
        """
        self._born += 1
        group = self._parents.make(f"{self._owner}-{self._born}", order.plan.limits)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = 0
        try:
            with theirs, self._stacked(order) as stack:
                entry = self._entries.of_service(order, theirs, namespaces, port)
                entry.stack = stack
                joining = os.fork()
                if joining == 0:
                    ours.close()
                    entry.become_run()
                pid = _joined(ours, joining)
            with suppress(BrokenPipeError, ConnectionResetError, ProcessLookupError):  # as above
                ours.send(IDS)
                group.add(pid)
                ours.send(GROUPS)
        except BaseException:
            if pid:
                Newborn(pid=pid, control=ours, group=group).end()
            else:
                ours.close()
                group.remove()
            raise
        return Newborn(pid=pid, control=ours, group=group)

    def prepare(self, order: Order, *, most: int) -> bool:
        """Make a spare for an order like this one, and tell whether one was made: not if there are enough.

        Args:
            order: one that has come before.
            most: how many alike there may be.
        """
        likeness = self._spares.missing(order, most=most)
        if likeness is None:
            return False
        try:
            self._spares.keep(likeness, self._clone(order, -1, ahead=likeness.ahead))
        except Exception:  # noqa: BLE001 - whatever it is, the next order meets it and tells of it
            return False
        return True

    def end(self) -> None:
        """End all spares."""
        self._spares.end()

    def _hand_order(self, likeness: Likeness, spare: Newborn, order: Order, descriptors: list[int]) -> None:
        if likeness.ahead is Ahead.ALL:
            spare.control.send(GO)
            return
        spare.group.limit(order.plan.limits)
        written = os.memfd_create("order")
        with os.fdopen(written, "wb") as file:
            file.write(wire.packed((order, self._entries.filter_of(order.plan), self._entries.heard_of(order))))
            file.flush()
            wire.send_json(spare.control, {"order": True}, [written, *descriptors])

    def _clone(self, order: Order, stdin: int, *, ahead: Ahead = Ahead.NOTHING) -> Newborn:
        self._born += 1
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        group = RunGroup({})
        pid = 0
        doors: tuple[int, ...] = ()
        try:
            is_spare = ahead is not Ahead.NOTHING
            limits = _NO_LIMITS if ahead is Ahead.BEGINNING else order.plan.limits
            group = self._parents.make(f"{self._owner}-{self._born}", limits)
            entry = self._entries.of(order, theirs, stdin, ahead=ahead)
            entry.doors = doors = group.doors() if is_spare else ()
            with self._stacked(order) as entry.stack:
                pid = processes.clone(_NAMESPACES)
                if pid == 0:
                    ours.close()
                    entry.become_run()
            write_id_map(pid, self.id_map)
            # A child that has failed meanwhile is gone; what it said is still to be heard.
            with suppress(BrokenPipeError, ConnectionResetError, ProcessLookupError):
                ours.send(IDS)
                if not is_spare:
                    if not order.runtime or order.runtime.limited_whole:
                        group.add(pid)
                    if not order.services:  # until they are ready, their run waits
                        ours.send(GROUPS)
        except BaseException:
            if pid:
                Newborn(pid=pid, control=ours, group=group).end()
            else:
                ours.close()
                group.remove()
            raise
        finally:
            theirs.close()
            for each in doors:
                os.close(each)
        return Newborn(pid=pid, control=ours, group=group)

    def _stacked(self, order: Order) -> AbstractContextManager[Stack | None]:
        """Stack a run's layers, where this kernel lets no run do so itself."""
        if not self._stacks or not order.layers or order.is_kept:  # a tree's own file system takes attributes
            return nullcontext()
        return stacked(order.layers, self.id_map.users[0].outside)


def _joined(control: socket.socket, joining: int) -> int:
    """Return the pid of a service's process 1, which the one that joined the run has made a child of ours."""
    control.settimeout(_JOINING_TIME)
    try:
        message, _ = wire.receive_json(control)
    except TimeoutError:
        os.kill(joining, signal.SIGKILL)
        message = None
    finally:
        os.waitpid(joining, 0)
    match message:
        case {"pid": int(pid)}:
            return pid
        case {"error": str(text), "hint": str(hint)}:
            raise BackendError(text, hint=hint)
        case _:
            raise BackendError("it did not join the run")
