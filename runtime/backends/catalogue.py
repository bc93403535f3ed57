"""The backends by name, one row each; ``Backends`` runs each plan on the one that its factor ``runtime`` names."""

import threading
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias

from runtime.backend import Unsupported
from runtime.backends.native.backend import Layers, NativeBackend
from runtime.backends.native.running import NativeRunning
from runtime.backends.native.streams import Listener
from runtime.backends.oci.backend import RUNTIMES, OciBackend
from runtime.errors import BackendError
from runtime.factors.architecture import CpuFeaturesFactor
from runtime.factors.machinery import KernelFactor, RuntimeFactor
from runtime.oci.layout import Layout
from runtime.oci.platform import own_architecture
from runtime.outcome import Fidelity
from runtime.plan import Plan

if TYPE_CHECKING:
    from runtime.backends.engines.backend import EngineBackend
    from runtime.backends.engines.running import EngineRunning
    from runtime.backends.qemu.backend import QemuBackend
    from runtime.backends.qemu.kernel import Kernels
    from runtime.backends.qemu.running import QemuRunning

ENGINES = ("docker", "podman")

MACHINE = "qemu"

BACKENDS = ("native", *RUNTIMES, *ENGINES, MACHINE)

AnyBackend: TypeAlias = "NativeBackend | EngineBackend | QemuBackend"
AnyRunning: TypeAlias = "NativeRunning | EngineRunning | QemuRunning"


def make_backend(
    name: str,
    layers: Layers,
    layout: Layout | None = None,
    kernels: "Kernels | None" = None,
    kernel: str = KernelFactor.default,
    *,
    destinations: bool = False,
) -> AnyBackend:
    """Return the backend called ``name``; nothing is started yet.

    Args:
        name: one of ``BACKENDS``.
        layers: where the unpacked layers of an image or a suite are.
        layout: where their manifests and packed layers are; without it an engine can be asked, and runs nothing.
        kernels: where kernels are; without it a virtual machine can be asked about, and none is booted.
        kernel: the level of that factor, which virtual machines have.
        destinations: whether runs of our own runtime tell the destinations that they name.

    Raises:
        BackendError: there is none of that name.
    """
    if name == MACHINE:
        from runtime.backends.qemu.backend import QemuBackend  # noqa: PLC0415 - few runs need it

        return QemuBackend(layers, kernels, kernel)
    if name in ENGINES:
        from runtime.backends.engines.backend import EngineBackend  # noqa: PLC0415 - large, and few runs need it

        return EngineBackend(name, layout)
    if name == NativeBackend.name:
        return NativeBackend(layers, destinations=destinations)
    if name in RUNTIMES:
        return OciBackend(RUNTIMES[name], layers)
    raise BackendError(f"there is no backend {name!r}", hint=f"known are {', '.join(BACKENDS)}")


class Backends:
    """Satisfies ``runtime.backend.Backend`` for plans of every runtime. Its methods may be called from several threads.

    Args:
        layers: where the unpacked layers of an image or a suite are.
        layout: where their manifests and packed layers are.
        kernels: where the kernels of virtual machines are.
        destinations: whether runs of our own runtime tell the destinations that they name; see ``Order.destinations``.
    """

    name = "all"

    def __init__(
        self,
        layers: Layers,
        layout: Layout | None = None,
        kernels: "Kernels | None" = None,
        *,
        destinations: bool = False,
    ) -> None:
        self._layers = layers
        self._layout = layout
        self._kernels = kernels
        self._destinations = destinations
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str], AnyBackend] = {}
        self._closed = False

    def of(self, plan: Plan) -> AnyBackend:
        """Return the backend that a plan asks for, made at the first need.

        Another kernel implies a virtual machine, and so does another processor.
        """
        kernel = plan.levels.get(KernelFactor.name, KernelFactor.default)
        features = plan.levels.get(CpuFeaturesFactor.name, CpuFeaturesFactor.default)
        name = plan.levels.get(RuntimeFactor.name, RuntimeFactor.default)
        is_own = kernel == KernelFactor.default and features == CpuFeaturesFactor.default
        return self.named(name if is_own else MACHINE, kernel)

    def named(self, name: str, kernel: str = KernelFactor.default) -> AnyBackend:
        """Return a backend by name, made at the first need; virtual machines have one a kernel.

        Raises:
            BackendError: there is none, or all have been closed.
        """
        with self._lock:
            if self._closed:
                raise BackendError("the backend is closed")
            key = (name, kernel)
            if key not in self._made:
                self._made[key] = make_backend(
                    name, self._layers, self._layout, self._kernels, kernel, destinations=self._destinations
                )
            return self._made[key]

    def ambient(self, plan: Plan) -> Mapping[str, str]:
        """Return facts of the machine that a plan would run on, which no factor sets."""
        return self.of(plan).ambient

    def available(self) -> Unsupported | None:
        """Tell why nothing can run here, or None: without our own runtime nothing can."""
        return self.named(NativeBackend.name).available()

    def check(self, plan: Plan) -> Mapping[str, Fidelity] | Unsupported:
        """Return the fidelity of each factor's level, or why the plan cannot run here."""
        return self.of(plan).check(plan)

    def refusal(self, plan: Plan) -> Unsupported | None:
        """Tell why a plan cannot run here, or None if it can."""
        return self.of(plan).refusal(plan)

    def cost(self, plan: Plan) -> int:
        """Rank a plan by what a run takes beside its program: our own runtime, another, an engine, a machine to boot.

        What an emulator runs comes last: there the program itself takes ten times as long.
        """
        is_emulated = plan.architecture not in ("", own_architecture())
        return len(BACKENDS) if is_emulated else BACKENDS.index(self.of(plan).name)

    def start(self, plan: Plan, *, listeners: tuple[Listener | None, Listener | None] = (None, None)) -> AnyRunning:
        """Start a run on the backend that the plan names.

        Raises:
            BackendError: it could not be started; nothing is left behind.
        """
        return self.of(plan).start(plan, listeners=listeners)

    def close(self) -> None:
        """End all runs of all backends; idempotent."""
        with self._lock:
            self._closed = True
            made, self._made = list(self._made.values()), {}
        for each in made:
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
