"""``QemuBackend``: runs plans in virtual machines, on a Linux kernel of a chosen version."""

import itertools
import os
import platform
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from runtime.backend import Unsupported, refuse_levels, refuse_services
from runtime.backends.native.backend import Layers
from runtime.backends.native.streams import Listener
from runtime.backends.qemu.command import PROCESSORS, PROGRAM, Accelerator
from runtime.backends.qemu.cpio import archive
from runtime.backends.qemu.disk import disk_of
from runtime.backends.qemu.first_files import first_files
from runtime.backends.qemu.kernel import Kernel, Kernels
from runtime.backends.qemu.machine import Machine
from runtime.backends.qemu.order import GuestOrder
from runtime.backends.qemu.running import NAME, QemuRunning
from runtime.digest import Digest
from runtime.errors import BackendError
from runtime.factors import FACTORS
from runtime.factors.architecture import CpuFeaturesFactor
from runtime.factors.machinery import KernelFactor, RuntimeFactor
from runtime.outcome import Fidelity
from runtime.plan import GIB, MIB, Plan, Stdin

DEFAULT_KERNEL = "6.1"
"""The kernel of a plan that asks for a virtual machine, and for no kernel."""

MEMORY = 4 * GIB
"""Bytes that a machine has: twice what a run has by default. It takes what it uses of them."""

_OWN = 512 * MIB  # what is left for the guest itself
_FEWEST_CPUS = 2  # the reference's
_MOST_DISKS = 24  # the machine's bus has places for some more devices
_PATIENCE = {Accelerator.KVM: 20.0, Accelerator.TCG: 240.0}
_KVM = "/dev/kvm"


class QemuBackend:
    """Satisfies ``runtime.backend.Backend``. Its methods may be called from several threads.

    A machine is booted at the first run of an image, and serves all later ones.

    Args:
        layers: where the unpacked layers of an image or a suite are.
        kernels: where kernels are; without it the backend can be asked, and runs nothing.
        level: of the factor ``kernel``.
    """

    name = NAME

    def __init__(self, layers: Layers, kernels: Kernels | None = None, level: str = KernelFactor.default) -> None:
        self._layers = layers
        self._kernels = kernels
        self._level = DEFAULT_KERNEL if level == KernelFactor.default else level
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._kernel: Kernel | None = None
        self._machines: dict[tuple[tuple[Path, ...], str], Machine] = {}
        self._usable = _accelerators()
        self._closed = False

    @property
    def about(self) -> str:
        """What it rests on, in one line."""
        return f"{_version()}; Linux {', '.join(each for each in KernelFactor.levels if each != KernelFactor.default)}"

    @property
    def ambient(self) -> Mapping[str, str]:
        """Facts of the virtual machine that no factor sets.

        Raises:
            BackendError: the kernel cannot be had.
        """
        return MappingProxyType(
            {
                "architecture": platform.machine(),
                "cgroup": "v2",
                "kernel": self._its_kernel().release,
                "privileges": "rootful",
                "qemu": _version(),
            }
        )

    def available(self) -> Unsupported | None:
        """Tell why nothing can run here, or None."""
        if platform.machine() != "x86_64":
            return Unsupported(reason=f"virtual machines are made on x86_64, and this is {platform.machine()}")
        if shutil.which(PROGRAM) is None:
            return Unsupported(reason=f"{PROGRAM} is not installed", hint="run `sudo apt-get install qemu-system-x86`")
        return None

    def check(self, plan: Plan) -> Mapping[str, Fidelity] | Unsupported:
        """Return the fidelity of each factor's level, or why the plan cannot run here.

        The first time that it has kernels, it sees to it that the one that is asked for is there.
        """
        refused = self.available() or refuse_services(plan, self.name) or self._misfit(plan)
        refused = refused or refuse_levels(plan, self.name)
        if refused:
            return refused
        if self._kernels:
            try:
                self._its_kernel()
            except BackendError as error:
                return Unsupported(reason=error.message, hint=error.hint)
        return MappingProxyType(
            {each.name: each.fidelity(plan.levels.get(each.name, each.default)) for each in FACTORS}
        )

    def refusal(self, plan: Plan) -> Unsupported | None:
        """Tell why a plan cannot run here, or None if it can."""
        checked = self.check(plan)
        return checked if isinstance(checked, Unsupported) else None

    def start(self, plan: Plan, *, listeners: tuple[Listener | None, Listener | None] = (None, None)) -> QemuRunning:
        """Start a run, in a machine that has the plan's image; the first one is booted, which takes some seconds.

        Args:
            plan: what to run.
            listeners: called with each chunk of stdout and of stderr as it comes.

        Raises:
            BackendError: it could not be started; nothing is left behind.
        """
        missing = self.available()
        if missing:
            raise BackendError(missing.reason, hint=missing.hint)
        disks: dict[Digest, tuple[int, ...]] = {}
        paths: list[Path] = []
        for manifest in (plan.image, *((plan.suite,) if plan.suite else ())):
            layers = self._layers(manifest)
            disks[manifest] = tuple(range(len(paths), len(paths) + len(layers)))
            paths += layers
        order = GuestOrder(plan=plan, disks=disks, heard=(listeners[0] is not None, listeners[1] is not None))
        features = plan.levels.get(CpuFeaturesFactor.name, CpuFeaturesFactor.default)
        machine = self._machine(tuple(paths), PROCESSORS.get(features, ""))
        ambient = {"qemu": _version(), "accelerator": str(machine.accelerator)}
        return QemuRunning(machine, next(self._numbers), order, ambient, listeners=listeners)

    def close(self) -> None:
        """End all machines, and with them all runs; idempotent. Nothing can be started afterwards."""
        self._closed = True  # before the lock is had: who boots a machine has it, and looks at this
        with self._lock:
            machines, self._machines = list(self._machines.values()), {}
        for each in machines:
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _misfit(self, plan: Plan) -> Unsupported | None:
        """Tell what a plan asks for that no machine of ours has."""
        runtime = plan.levels.get(RuntimeFactor.name, RuntimeFactor.default)
        cpus, memory = _cpus(), (MEMORY - _OWN) // MIB
        reason, hint = "", ""
        if runtime not in (self.name, RuntimeFactor.default):
            features = plan.levels.get(CpuFeaturesFactor.name, CpuFeaturesFactor.default)
            needs = f"kernel={self._level}" if features == CpuFeaturesFactor.default else f"cpu-features={features}"
            reason = f"{runtime} does not run in a virtual machine, which {needs} needs"
            hint = "leave out `runtime`, or this level"
        elif plan.architecture:
            reason = f"a virtual machine has no emulator for {plan.architecture}"
        elif plan.limits.cpus > cpus:
            reason = f"the plan asks for {plan.limits.cpus} CPUs, and a virtual machine has {cpus} here"
            hint = f"add `--set cpus={cpus}`"
        elif plan.limits.memory and plan.limits.memory > memory * MIB:
            reason, hint = (
                f"a run in a virtual machine has {memory}M of memory at most",
                f"add `--set memory={memory}M`",
            )
        elif plan.stdin is Stdin.INHERITED:
            reason = "no file of this machine can be the stdin of a run in a virtual machine"
        return Unsupported(reason=reason, hint=hint) if reason else None

    def _its_kernel(self) -> Kernel:
        with self._lock:
            if self._kernel is None:
                if self._kernels is None:
                    raise BackendError(f"no kernel {self._level} is at hand: nobody has handed one in")
                self._kernel = self._kernels(self._level)
            return self._kernel

    def _machine(self, layers: tuple[Path, ...], processor: str) -> Machine:
        """Return the machine with these layers and processor, booted at the first need, and again if it has died."""
        if len(layers) > _MOST_DISKS:
            raise BackendError(f"an image of {len(layers)} layers: a virtual machine can have {_MOST_DISKS} as disks")
        kernel = self._its_kernel()
        with self._lock:
            if self._closed:
                raise BackendError("the backend is closed")
            key = (layers, processor)
            found = self._machines.get(key)
            if found and not found.is_alive:
                found.close()
                found = None
            if found is None:
                found = self._machines[key] = self._boot(kernel, layers, processor)
            return found

    def _boot(self, kernel: Kernel, layers: Sequence[Path], processor: str) -> Machine:
        """Boot a machine. Whether KVM works is known when one has come up with it, and not before."""
        program = shutil.which(PROGRAM) or PROGRAM
        with ExitStack() as stack:
            first = stack.enter_context(tempfile.TemporaryFile())
            first.writelines(archive(first_files(kernel)))
            first.flush()
            disks = [stack.enter_context(disk_of(each)) for each in layers]
            while True:
                accelerator = self._usable[0]
                try:
                    return Machine(
                        program=program,
                        accelerator=accelerator,
                        kernel=kernel.image,
                        first=first,
                        disks=disks,
                        cpus=_cpus(),
                        memory=MEMORY // MIB,
                        processor=processor,
                        patience=_PATIENCE[accelerator],
                        is_given_up=lambda: self._closed,
                    )
                except BackendError as error:
                    if self._closed:
                        raise BackendError("the backend is closed") from error
                    if len(self._usable) == 1:
                        raise
                    self._usable = self._usable[1:]


def _accelerators() -> tuple[Accelerator, ...]:
    """Return what may work, the fastest first."""
    kvm = (Accelerator.KVM,) if os.access(_KVM, os.R_OK | os.W_OK) else ()
    return (*kvm, Accelerator.TCG)


def _cpus() -> int:
    return max(_FEWEST_CPUS, len(os.sched_getaffinity(0)))


@cache
def _version() -> str:
    """Return the first line of what QEMU says of its version."""
    path = shutil.which(PROGRAM) or PROGRAM
    asked = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=30)  # noqa: S603
    return asked.stdout.partition("\n")[0].strip()
