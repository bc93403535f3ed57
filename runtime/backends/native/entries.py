"""What a run takes in with it: made in the warm process, while this machine's files are still there."""

import socket

from runtime.backends.native.entry import Entry, Notices
from runtime.backends.native.keeper import NOTICED
from runtime.backends.native.machine import Machine
from runtime.backends.native.one_id import is_root
from runtime.backends.native.order import Order
from runtime.backends.native.service_entry import ServiceEntry
from runtime.plan import Denial, Plan


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
        """Compile the filter that nearly every plan has, while nobody waits for it."""
        self._compiled("default", (), None)

    def of(self, order: Order, control: socket.socket, stdin: int, *, is_spare: bool = False) -> Entry:
        """Return the entry of an order.

        Args:
            order: the run.
            control: its socket to the warm process.
            stdin: descriptor that the plan inherits; -1 for none.
            is_spare: whether the order itself comes later, and this one is like it.
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
            control=control,
            stdin=stdin,
            one_id=self._one_id,
            notices=self._notices() if self._one_id and order.tree else None,
            init=self._init,
            is_spare=is_spare,
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
        if plan.seccomp == "unconfined" and not plan.denials:
            return b""
        is_shown = self._one_id and not is_root(plan.user)
        return self._compiled(plan.seccomp, plan.denials, (plan.user.uid, plan.user.gid) if is_shown else None)

    def _compiled(self, profile: str, denials: tuple[Denial, ...], only_ids: tuple[int, int] | None) -> bytes:
        denied = tuple((each.syscall, each.errno, tuple(sorted(each.arguments.items()))) for each in denials)
        key = (profile, denied, only_ids)
        if key not in self._filters:
            from runtime.backends.native.seccomp import compile_filter  # noqa: PLC0415 - large, and not every run needs it

            self._filters[key] = compile_filter(profile, denials, self._machine.name, only_ids=only_ids)
        return self._filters[key]

    def _notices(self) -> Notices:
        """Return what is answered where a tree is written in place and its owners must be recorded."""
        from runtime.backends.native.seccomp import compile_notices  # noqa: PLC0415 - as above

        program, numbers = compile_notices(NOTICED, self._machine.name)
        return Notices(program=program, numbers=numbers)
