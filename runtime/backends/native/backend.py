"""``NativeBackend``: runs plans by the kernel alone, with root or without, and no daemon."""

import itertools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from runtime.backend import Unsupported, lacks_kernel, refuse_levels
from runtime.backends.native import one_id as one
from runtime.backends.native.cgroups import Parents, read_parents
from runtime.backends.native.emulation import lacking_emulator
from runtime.backends.native.idmap import IdMap, lacking_range, read_id_map
from runtime.backends.native.launch import Launched
from runtime.backends.native.machine import read_machine
from runtime.backends.native.order import ForeignRuntime, Order
from runtime.backends.native.running import NativeRunning
from runtime.backends.native.service_plans import service_plans, without_loopback
from runtime.backends.native.stacks import lacks_attributes
from runtime.backends.native.streams import Listener
from runtime.backends.native.tuned import lacking_for_tuning, lacking_limits
from runtime.backends.native.views import view_of
from runtime.backends.native.warm import WarmProcess
from runtime.digest import Digest
from runtime.errors import BackendError
from runtime.factors import FACTORS
from runtime.factors.machinery import RuntimeFactor
from runtime.outcome import Fidelity, Outcome
from runtime.plan import FirstProcess, Plan

Layers = Callable[[Digest], tuple[Path, ...]]
"""Manifest digest → folders of its unpacked layers, lowest first."""


class NativeBackend:
    """Satisfies ``runtime.backend.Backend``. Its methods may be called from several threads.

    Args:
        layers: where the unpacked layers of an image or a suite are.
        one_id: whether runs have one id only; None takes a range of ids where this user has one.
        destinations: whether runs tell the destinations that they name to the kernel; see ``Order.destinations``.
        launched: a warm process that is on its way already, for ``one_id`` None; it is this one's from now on.
    """

    name = "native"

    def __init__(
        self,
        layers: Layers,
        *,
        one_id: bool | None = None,
        destinations: bool = False,
        launched: Launched | None = None,
    ) -> None:
        self._layers = layers
        self._destinations = destinations
        self._one_id = one_id
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._warm: WarmProcess | None = None
        self._launched = launched
        self._parents: Parents | None = None
        self._ambient: Mapping[str, str] | None = None
        self._closed = False

    @property
    def about(self) -> str:
        """What it rests on, in one line."""
        from runtime.backends.native.seccomp.reference import summary  # noqa: PLC0415 - only `doctor` asks
        from runtime.launcher import launcher_path  # noqa: PLC0415 - likewise

        who = "root" if os.geteuid() == 0 else "rootless"
        if os.geteuid() and lacks_attributes():
            who += "; before Linux 6.6 no run of a plain user can replace a folder of its image"
        if launcher_path() is None:
            who += "; slower starts: no C compiler made the launcher at installation"
        return f"namespaces, overlayfs, seccomp: {summary()} ({who})"

    @property
    def ambient(self) -> Mapping[str, str]:
        """Facts of this machine that no factor sets: recorded with every run."""
        if self._ambient is None:  # two threads that read it at once read the same
            self._ambient = _read_ambient(self._groups().versions, one_id=self.has_one_id)
        return self._ambient

    @cached_property
    def _id_map(self) -> IdMap:
        return read_id_map(one_id=self._one_id)

    @property
    def has_one_id(self) -> bool:
        """Whether runs have one id only, so that their user is emulated."""
        return self._id_map.has_one_id

    @property
    def enforces(self) -> frozenset[str]:
        """The limits that this user can enforce here: of ``memory``, ``processes``, ``cpu-quota``."""
        return self._groups().offers

    def available(self) -> Unsupported | None:
        """Tell why nothing can run here, or None."""
        try:
            self._id_map  # noqa: B018 - read at the first look
        except BackendError as error:
            return Unsupported(reason=error.message, hint=error.hint)
        return None

    def check(self, plan: Plan) -> Mapping[str, Fidelity] | Unsupported:
        """Return the fidelity of each factor's level, or why the plan cannot run here."""
        refused = self.available() or self._misfit(plan)
        if refused:
            return refused
        is_one, offers = self.has_one_id, self._groups().offers
        fidelity = {}
        for each in FACTORS:
            level = plan.levels.get(each.name, each.default)
            lacking = each.needs(level) - offers
            if not lacking:
                emulated = is_one and one.is_emulated(each.name, level)
                fidelity[each.name] = Fidelity.EMULATED if emulated else each.fidelity(level)
            elif level == each.default:
                fidelity[each.name] = Fidelity.EMULATED
            else:
                return _not_enforced(each.name, level, frozenset(lacking))
        if plan.architecture:
            fidelity = dict.fromkeys(fidelity, Fidelity.ADVISORY)
        return MappingProxyType(fidelity)

    def refusal(self, plan: Plan) -> Unsupported | None:
        """Tell why a plan cannot run here, or None if it can."""
        checked = self.check(plan)
        return checked if isinstance(checked, Unsupported) else None

    def start(
        self,
        plan: Plan,
        *,
        tree: Path | None = None,
        work: Path | None = None,
        evidence: bool = True,
        stdin: int | None = None,
        listeners: tuple[Listener | None, Listener | None] = (None, None),
        volumes: Sequence[tuple[Path, str]] = (),
        is_lasting: bool = False,
        beside: NativeRunning | None = None,
    ) -> NativeRunning:
        """Start a run.

        Args:
            plan: what to run.
            tree: instead of the plan's image, a folder that becomes the root itself and is written in place. Its owners
                must be those of ``run_mapped``; it gets no folder for results, and its changes are not listed.
            work: with it, the layers of the plan's image lie below ``tree``, which catches what is written over them;
                an empty folder with the same owner on the same file system.
            evidence: False saves the probes, where nobody judges the levels.
            stdin: an open descriptor, for a plan whose stdin is ``inherited``.
            listeners: called with each chunk of stdout and of stderr as it comes, in threads of their own.
            volumes: folders of this machine, with their owners as inside, and where the run has them.
            is_lasting: as of ``Order``; the deadline of the plan holds all the same.
            beside: a run that lasts, whose network this one has.

        Raises:
            BackendError: it could not be started; nothing is left behind.
        """
        missing = self.available()
        if missing:
            raise BackendError(missing.reason, hint=missing.hint)
        order = Order(
            plan=plan,
            layers=() if tree and not work else self._stack(plan),
            tree=str(tree.resolve()) if tree else "",
            work=str(work.resolve()) if work else "",
            evidence=evidence,
            destinations=self._destinations,
            runtime=self._foreign(),
            services=tuple(Order(plan=each, layers=self._stack(each), evidence=False) for each in service_plans(plan)),
            volumes=tuple((str(folder.resolve()), path) for folder, path in volumes),
            is_lasting=is_lasting,
        )
        warm = self._process()
        number = next(self._numbers)
        joined = beside.number if beside else None
        return NativeRunning(warm, number, order, self.ambient, stdin=stdin, listeners=listeners, beside=joined)

    def run_in_tree(self, tree: Path, plan: Plan, *, work: Path | None = None) -> Outcome:
        """Run a plan with ``tree`` as the root, and wait; see the function ``run_in_tree``."""
        with self.start(plan, tree=tree, work=work, evidence=False) as running:
            return running.wait()

    def close(self) -> None:
        """End all runs and the warm process; idempotent. Nothing can be started afterwards, from whatever thread."""
        with self._lock:
            self._closed = True
            warm, self._warm = self._meet(), None
        if warm:
            warm.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _stack(self, plan: Plan) -> tuple[str, ...]:
        """Return the folders of a plan's layers, the lowest first, as its user meets them."""
        layers = self._layers(plan.image) + (self._layers(plan.suite) if plan.suite else ())
        if self.has_one_id and one.needs_view(plan):
            layers = tuple(view_of(each, plan.user, one_id=self._one_id) for each in layers)
        return tuple(str(each.resolve()) for each in layers)

    def _misfit(self, plan: Plan) -> Unsupported | None:
        """Tell what a plan asks for that this machine has not, control groups apart."""
        refused = lacks_kernel(plan, self.name) or without_loopback(plan)
        refused = refused or (one.refusal(plan, _range_hint()) if self.has_one_id else None)
        if refused:
            return refused
        wanted = plan.levels.get(RuntimeFactor.name, RuntimeFactor.default)
        if wanted != self.name:
            return Unsupported(reason=f"the plan asks for {wanted}, and this is {self.name}", hint=f"ask {wanted}")
        cpus = len(os.sched_getaffinity(0))
        if plan.limits.cpus > cpus:
            return Unsupported(
                reason=f"the plan asks for {plan.limits.cpus} CPUs, and this process may use {cpus}",
                hint=f"add `--set cpus={cpus}`",
            )
        if plan.grace and plan.first_process is FirstProcess.APP:
            reason = "with pid1=app all processes end with the suite's first one, and none is asked to"
            return Unsupported(reason=reason, hint="leave `shutdown` out of `suite.behavior`, or leave out this host")
        lacking = refuse_levels(plan, self.name) or lacking_for_tuning(plan) or lacking_limits(plan)
        return lacking or (lacking_emulator(plan.architecture) if plan.architecture else None)

    def _foreign(self) -> ForeignRuntime | None:
        """Return who makes the container in our place; a subclass knows one."""
        return None

    def _process(self) -> WarmProcess:
        """Return the warm process, started at the first need, and again if it has died."""
        with self._lock:
            if self._closed:
                raise BackendError("the backend is closed")
            if (warm := self._meet()) and not warm.is_alive:
                warm.close()
                self._warm = None
            if self._warm is None:
                self._warm = WarmProcess(one_id=self.has_one_id)
            return self._warm

    def _meet(self) -> WarmProcess | None:
        """Return the warm process if there is one; one that was on its way is awaited only now. The lock is held."""
        launched, self._launched = self._launched, None
        if launched:
            self._warm = WarmProcess(launched=launched)
        return self._warm

    def _groups(self) -> Parents | WarmProcess:
        """Return what knows where control groups can be made: a warm process, if there is one. None is started for it.

        What dead owners left there is swept then, as it is by each warm process.
        """
        with self._lock:
            if self._closed:
                raise BackendError("the backend is closed")
            if warm := self._meet():
                return warm
            if self._parents is None:
                self._parents = read_parents()
                self._parents.sweep()
            return self._parents


def run_in_tree(
    tree: Path, plan: Plan, *, below: Sequence[Path] = (), work: Path | None = None, one_id: bool | None = None
) -> Outcome:
    """Run a plan with ``tree`` as the root, written in place, and wait: how a package's own programs take effect.

    Args:
        tree: the folder.
        plan: what to run.
        below: unpacked layers under it, the lowest first; ``tree`` then catches what is written over them.
        work: as of ``NativeBackend.start``; where there is something below.
        one_id: as of ``NativeBackend``.
    """
    with NativeBackend(lambda _: tuple(below), one_id=one_id) as backend:
        return backend.run_in_tree(tree, plan, work=work)


def _not_enforced(name: str, level: str, lacking: frozenset[str]) -> Unsupported:
    from runtime.backends.native.grounds import enabling_limits  # noqa: PLC0415 - few plans are refused
    from runtime.backends.native.machine import text_of  # noqa: PLC0415 - likewise

    return Unsupported(
        reason=f"{name}={level} needs control groups, and this user may not limit {', '.join(sorted(lacking))}",
        hint=enabling_limits(text_of, os.geteuid()),
    )


def _range_hint() -> str:
    missing = lacking_range(os.geteuid())
    return missing.hint if missing else "this user has a range of ids: leave out `one_id`"


def _read_ambient(cgroups: str, *, one_id: bool) -> Mapping[str, str]:
    """Return what no factor sets: recorded with every run."""
    system = os.uname()
    machine = read_machine()
    model = next(
        (line.partition(":")[2].strip() for line in machine.cpuinfo.splitlines() if line.startswith("model name")), ""
    )
    return MappingProxyType(
        {
            "architecture": system.machine,
            "cgroup": cgroups,
            "cpu": model,
            "kernel": system.release,
            "privileges": "rootful" if os.geteuid() == 0 else "rootless, one id" if one_id else "rootless",
        }
    )
