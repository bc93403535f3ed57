"""What a run takes in with it: made in the warm process, while this machine's files are still there."""

import socket
from collections.abc import Mapping
from functools import cached_property
from selectors import BaseSelector
from typing import TYPE_CHECKING

from runtime.backends.native.entry import Ahead, Entry, Notices
from runtime.backends.native.keeper import NOTICED
from runtime.backends.native.machine import Machine
from runtime.backends.native.observer import Judge, Observer
from runtime.backends.native.one_id import is_root
from runtime.backends.native.order import Order
from runtime.backends.native.service_entry import ServiceEntry
from runtime.plan import Denial, Plan

if TYPE_CHECKING:
    from runtime.backends.native.tracing.tracer import Tracer


class Entries:
    """Makes the entries of runs; each filter of system calls is compiled once.

    Args:
        machine: what this machine is.
        one_id: whether runs have one id only.
        init: descriptor of the compiled process 1; -1 for none.
    """

    def __init__(self, machine: Machine, *, one_id: bool, init: int = -1) -> None:
        self._machine = machine
        self._init = init
        self._one_id = one_id
        self._filters: dict[tuple[object, ...], bytes] = {}

    def get_ready(self) -> None:
        """Compile the filters that nearly every plan has, while nobody waits for them."""
        for is_heard in (False, True):
            self._compiled("default", (), None, is_heard, False)  # noqa: FBT003 - as below
        self._names  # noqa: B018 - read at the first look

    def of(self, order: Order, control: socket.socket, stdin: int, *, ahead: Ahead = Ahead.NOTHING) -> Entry:
        """Return the entry of an order.

        Args:
            order: the run.
            control: its socket to the warm process.
            stdin: descriptor that the plan inherits; -1 for none.
            ahead: how far it goes before its order comes, which this one is only like.
        """
        if order.runtime:
            from runtime.backends.oci.entry import BundleEntry  # noqa: PLC0415 - only such runs need it
            from runtime.backends.oci.profile import seccomp_of  # noqa: PLC0415 - likewise

            seccomp = seccomp_of(order.plan, self._machine.name)
            return BundleEntry(order=order, machine=self._machine, control=control, stdin=stdin, seccomp=seccomp)
        return Entry(
            order=order,
            machine=self._machine,
            program=self.filter_of(order.plan),
            heard=self.heard_of(order),
            control=control,
            stdin=stdin,
            one_id=self._one_id,
            notices=self._notices() if self._one_id and order.tree else None,
            init=self._init,
            ahead=ahead,
        )

    def of_service(self, order: Order, control: socket.socket, namespaces: tuple[int, int], port: int) -> ServiceEntry:
        """Return the entry of a service.

        Args:
            order: what it runs.
            control: its socket to the warm process.
            namespaces: the user and the network namespace of its run, which it joins.
            port: whose first answer is told; 0 for none.
        """
        return ServiceEntry(
            order=order,
            machine=self._machine,
            program=self.filter_of(order.plan),
            control=control,
            one_id=self._one_id,
            namespaces=namespaces,
            port=port,
        )

    def filter_of(self, plan: Plan) -> bytes:
        """Return the compiled filter of a plan's system calls; empty for none."""
        return self._filter(plan, is_heard=False)

    def heard_of(self, order: Order) -> bytes:
        """Return the filter of an order's run that hands on what it denies; empty where nobody would look.

        Not without the profile: what reads a run's memory must not meet a page that the run itself fills, and only the
        profile denies userfaultfd. Nor where a keeper listens: the kernel takes one listener.
        """
        if not order.evidence or order.tree or order.plan.seccomp == "unconfined":
            return b""
        if order.plan.is_traced:
            # Where the filter must be loaded first, its user and rights would be handed on before anyone listens.
            return self._traced(order.plan) if order.plan.no_new_privileges else b""
        return self._filter(order.plan, is_heard=True, with_destinations=order.destinations)

    def observer_of(self, plan: Plan, listener: int, selector: BaseSelector) -> Observer:
        """Return who answers and counts the denied calls of a run.

        Args:
            plan: its plan.
            listener: of its filter.
            selector: of the warm process.
        """
        return Observer(listener, Judge(self.filter_of(plan)), self._names, selector)

    def tracer_of(self, plan: Plan, listener: int) -> "Tracer":
        """Return who answers and counts the calls of a traced run.

        Args:
            plan: its plan.
            listener: of its filter; closed here.
        """
        from runtime.backends.native.tracing.tracer import Tracer  # noqa: PLC0415 - few runs are traced

        return Tracer(listener, Judge(self.filter_of(plan)), self._names, plan)

    def _traced(self, plan: Plan) -> bytes:
        """Return the filter that hands on what a traced run tells of; no other run comes to have it."""
        from runtime.backends.native.seccomp import compile_filter  # noqa: PLC0415 - as below
        from runtime.backends.native.tracing.calls import CONDITIONS, TRACED  # noqa: PLC0415 - few runs are traced

        return compile_filter(
            plan.seccomp,
            plan.denials,
            self._machine.name,
            only_ids=self._only_ids(plan),
            is_heard=True,
            traced=TRACED,
            conditions=CONDITIONS,
        )

    def _only_ids(self, plan: Plan) -> tuple[int, int] | None:
        return (plan.user.uid, plan.user.gid) if self._one_id and not is_root(plan.user) else None

    @cached_property
    def _names(self) -> Mapping[int, str]:
        """Number → name of this machine's calls."""
        from runtime.backends.native.seccomp import read_numbers  # noqa: PLC0415 - as below

        return {number: name for name, number in read_numbers()[self._machine.name].items()}

    def _filter(self, plan: Plan, *, is_heard: bool, with_destinations: bool = False) -> bytes:
        if plan.seccomp == "unconfined" and not plan.denials:
            return b""
        return self._compiled(plan.seccomp, plan.denials, self._only_ids(plan), is_heard, with_destinations)

    def _compiled(
        self,
        profile: str,
        denials: tuple[Denial, ...],
        only_ids: tuple[int, int] | None,
        is_heard: bool,  # noqa: FBT001 - one key of five values
        with_destinations: bool,  # noqa: FBT001 - likewise
    ) -> bytes:
        denied = tuple((each.syscall, each.errno, tuple(sorted(each.arguments.items()))) for each in denials)
        key = (profile, denied, only_ids, is_heard, with_destinations)
        if key not in self._filters:
            from runtime.backends.native.seccomp import compile_filter  # noqa: PLC0415 - large, and not every run needs it

            self._filters[key] = compile_filter(
                profile,
                denials,
                self._machine.name,
                only_ids=only_ids,
                is_heard=is_heard,
                with_destinations=with_destinations,
            )
        return self._filters[key]

    def _notices(self) -> Notices:
        """Return what is answered where a tree is written in place and its owners must be recorded."""
        from runtime.backends.native.seccomp import compile_notices  # noqa: PLC0415 - as above

        program, numbers = compile_notices(NOTICED, self._machine.name)
        return Notices(program=program, numbers=numbers)
