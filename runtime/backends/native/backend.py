"""``NativeBackend``: runs plans by the kernel alone, with root or without, and no daemon."""

import itertools
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from runtime.backend import Unsupported
from runtime.backends.native.idmap import read_id_map
from runtime.backends.native.machine import read_machine
from runtime.backends.native.order import Order
from runtime.backends.native.running import NativeRunning
from runtime.backends.native.streams import Listener
from runtime.backends.native.warm import WarmProcess
from runtime.digest import Digest
from runtime.errors import BackendError
from runtime.factors import FACTORS
from runtime.outcome import Fidelity, Outcome
from runtime.plan import Plan

Layers = Callable[[Digest], tuple[Path, ...]]
"""Manifest digest → folders of its unpacked layers, lowest first."""


class NativeBackend:
    """Satisfies ``runtime.backend.Backend``. Its methods may be called from several threads.

    Args:
        layers: where the unpacked layers of an image or a suite are.
    """

    name = "native"

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._warm: WarmProcess | None = None
        self._ambient: Mapping[str, str] = MappingProxyType({})
        self._closed = False

    @property
    def ambient(self) -> Mapping[str, str]:
        """Facts of this machine that no factor sets: recorded with every run."""
        self._process()
        return self._ambient

    def available(self) -> Unsupported | None:
        """Tell why nothing can run here, or None."""
        try:
            read_id_map()
        except BackendError as error:
            return Unsupported(reason=error.message, hint=error.hint)
        return None

    def check(self, plan: Plan) -> Mapping[str, Fidelity] | Unsupported:
        """Return the fidelity of each factor's level, or why the plan cannot run here."""
        missing = self.available()
        if missing:
            return missing
        warm = self._process()
        if plan.limits.cpus > warm.cpus:
            return Unsupported(
                reason=f"the plan asks for {plan.limits.cpus} CPUs, and this process may use {warm.cpus}",
                hint=f"add `--set cpus={warm.cpus}`",
            )
        fidelity = {}
        for each in FACTORS:
            level = plan.levels.get(each.name, each.default)
            lacking = each.needs(level) - warm.offers
            if not lacking:
                fidelity[each.name] = each.fidelity(level)
            elif level == each.default:
                fidelity[each.name] = Fidelity.EMULATED
            else:
                return _not_enforced(each.name, level, frozenset(lacking))
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
        evidence: bool = True,
        stdin: int | None = None,
        listeners: tuple[Listener | None, Listener | None] = (None, None),
    ) -> NativeRunning:
        """Start a run.

        Args:
            plan: what to run.
            tree: instead of the plan's image, a folder that becomes the root itself and is written in place. Its owners
                must be those of ``run_mapped``; it gets no folder for results, and its changes are not listed.
            evidence: False saves the probes, where nobody judges the levels.
            stdin: an open descriptor, for a plan whose stdin is ``inherited``.
            listeners: called with each chunk of stdout and of stderr as it comes, in threads of their own.

        Raises:
            BackendError: it could not be started; nothing is left behind.
        """
        missing = self.available()
        if missing:
            raise BackendError(missing.reason, hint=missing.hint)
        layers: tuple[Path, ...] = ()
        if tree is None:
            layers = self._layers(plan.image) + (self._layers(plan.suite) if plan.suite else ())
        order = Order(
            plan=plan,
            layers=tuple(str(each.resolve()) for each in layers),
            tree=str(tree.resolve()) if tree else "",
            evidence=evidence,
        )
        warm = self._process()
        number = next(self._numbers)
        return NativeRunning(warm, number, order, self._ambient, stdin=stdin, listeners=listeners)

    def close(self) -> None:
        """End all runs and the warm process; idempotent. Nothing can be started afterwards, from whatever thread."""
        with self._lock:
            self._closed = True
            warm, self._warm = self._warm, None
        if warm:
            warm.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _process(self) -> WarmProcess:
        """Return the warm process, started at the first need, and again if it has died."""
        with self._lock:
            if self._closed:
                raise BackendError("the backend is closed")
            if self._warm and not self._warm.is_alive:
                self._warm.close()
                self._warm = None
            if self._warm is None:
                self._warm = WarmProcess()
                self._ambient = _read_ambient(self._warm.cgroups)
            return self._warm


def run_in_tree(tree: Path, plan: Plan) -> Outcome:
    """Run a plan with ``tree`` as the root, written in place, and wait: how a package's own programs take effect."""
    with NativeBackend(lambda _: ()) as backend, backend.start(plan, tree=tree, evidence=False) as running:
        return running.wait()


def _not_enforced(name: str, level: str, lacking: frozenset[str]) -> Unsupported:
    return Unsupported(
        reason=f"{name}={level} needs control groups, and this user may not limit {', '.join(sorted(lacking))}",
        hint="run as root, or where control groups are delegated: `systemd-run --user --scope -p Delegate=yes …`",
    )


def _read_ambient(cgroups: str) -> Mapping[str, str]:
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
            "privileges": "rootful" if os.geteuid() == 0 else "rootless",
        }
    )
