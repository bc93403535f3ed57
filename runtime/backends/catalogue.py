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
from runtime.factors.machinery import RuntimeFactor
from runtime.oci.layout import Layout
from runtime.outcome import Fidelity
from runtime.plan import Plan

if TYPE_CHECKING:
    from runtime.backends.engines.backend import EngineBackend
    from runtime.backends.engines.running import EngineRunning

ENGINES = ("docker", "podman")

BACKENDS = ("native", *RUNTIMES, *ENGINES)

AnyBackend: TypeAlias = "NativeBackend | EngineBackend"
AnyRunning: TypeAlias = "NativeRunning | EngineRunning"


def make_backend(name: str, layers: Layers, layout: Layout | None = None) -> AnyBackend:
    """Return the backend called ``name``; nothing is started yet.

    Args:
        name: one of ``BACKENDS``.
        layers: where the unpacked layers of an image or a suite are.
        layout: where their manifests and packed layers are; without it an engine can be asked, and runs nothing.

    Raises:
        BackendError: there is none of that name.
    """
    if name in ENGINES:
        from runtime.backends.engines.backend import EngineBackend  # noqa: PLC0415 - large, and few runs need it

        return EngineBackend(name, layout)
    if name == NativeBackend.name:
        return NativeBackend(layers)
    if name in RUNTIMES:
        return OciBackend(RUNTIMES[name], layers)
    raise BackendError(f"there is no backend {name!r}", hint=f"known are {', '.join(BACKENDS)}")


class Backends:
    """Satisfies ``runtime.backend.Backend`` for plans of every runtime. Its methods may be called from several threads.

    Args:
        layers: where the unpacked layers of an image or a suite are.
        layout: where their manifests and packed layers are.
    """

    name = "all"

    def __init__(self, layers: Layers, layout: Layout | None = None) -> None:
        self._layers = layers
        self._layout = layout
        self._lock = threading.Lock()
        self._made: dict[str, AnyBackend] = {}
        self._closed = False

    def of(self, plan: Plan) -> AnyBackend:
        """Return the backend that a plan asks for, made at the first need."""
        return self.named(plan.levels.get(RuntimeFactor.name, RuntimeFactor.default))

    def named(self, name: str) -> AnyBackend:
        """Return a backend by name, made at the first need.

        Raises:
            BackendError: there is none, or all have been closed.
        """
        with self._lock:
            if self._closed:
                raise BackendError("the backend is closed")
            if name not in self._made:
                self._made[name] = make_backend(name, self._layers, self._layout)
            return self._made[name]

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
