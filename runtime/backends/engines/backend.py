"""``EngineBackend``: runs plans by Docker Engine or by Podman."""

import os
import resource
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from runtime.backend import Unsupported, lacks_kernel, refuse_grace, refuse_levels, refuse_services
from runtime.backends.engines.archive import REPOSITORY, archive_of, tag_of
from runtime.backends.engines.engine import OWNER, Engine
from runtime.backends.engines.running import EngineRunning
from runtime.backends.engines.service import Service, find_service
from runtime.backends.native.grounds import enabling_limits
from runtime.backends.native.kernel_files import start_time
from runtime.backends.native.machine import read_machine, text_of
from runtime.backends.native.streams import Listener
from runtime.errors import BackendError
from runtime.factors import FACTORS
from runtime.launcher import launcher_path
from runtime.oci.layout import Layout
from runtime.outcome import Fidelity
from runtime.plan import NetworkState, Plan

# Docker Engine API 1.41, ``SystemInfo``: whether the engine can limit it.
_LIMITS = {"memory": "MemoryLimit", "processes": "PidsLimit", "cpu-quota": "CpuCfsQuota"}

_PROCESSES = 4096  # RLIMIT_NPROC of every container; the limit of a run is its control group


class EngineBackend:
    """Satisfies ``runtime.backend.Backend``. Its methods may be called from several threads.

    Args:
        name: ``docker`` or ``podman``.
        layout: where the manifests and layers of images and suites are; without one nothing is run.
        address: the socket of an engine; by default the one that its own command line would use.
    """

    def __init__(self, name: str, layout: Layout | None, address: str = "") -> None:
        self.name = name
        self._layout = layout
        self._address = address
        self._lock = threading.Lock()
        self._service: Service | None = None
        self._engine: Engine | None = None
        self._missing: Unsupported | None = None
        self._loaded: set[str] = set()
        self._folder: Path | None = None
        self._runs = 0

    @property
    def about(self) -> str:
        """What it rests on, in one line."""
        return self.ambient.get(self.name, "")

    @property
    def ambient(self) -> Mapping[str, str]:
        """Facts of the engine and its machine that no factor sets."""
        return self._connected().ambient

    def available(self) -> Unsupported | None:
        """Tell why nothing can run here, or None: the engine is asked."""
        try:
            self._connected()
        except BackendError as error:
            return Unsupported(reason=error.message, hint=error.hint)
        return None

    def check(self, plan: Plan) -> Mapping[str, Fidelity] | Unsupported:
        """Return the fidelity of each factor's level, or why the plan cannot run here."""
        missing = self.available() or lacks_kernel(plan, self.name) or refuse_services(plan, self.name)
        missing = (
            missing
            or refuse_grace(plan, self.name)
            or self._lacking(plan)
            or refuse_levels(plan, self.name)
            or self._not_limited(plan)
        )
        if missing:
            return missing
        return MappingProxyType(
            {each.name: each.fidelity(plan.levels.get(each.name, each.default)) for each in FACTORS}
        )

    def refusal(self, plan: Plan) -> Unsupported | None:
        """Tell why a plan cannot run here, or None if it can."""
        checked = self.check(plan)
        return checked if isinstance(checked, Unsupported) else None

    def start(
        self,
        plan: Plan,
        *,
        evidence: bool = True,
        listeners: tuple[Listener | None, Listener | None] = (None, None),
    ) -> EngineRunning:
        """Start a run.

        Raises:
            BackendError: it could not be started; nothing is left behind.
        """
        refused = self.refusal(plan)
        if refused:
            raise BackendError(refused.reason, hint=refused.hint)
        engine = self._connected()
        image = self._load(engine, plan)
        with self._lock:
            self._runs += 1
            if self._folder is None:
                raise BackendError("the backend is closed")
            folder = self._folder / str(self._runs)
        folder.mkdir(mode=0o755)
        return EngineRunning(engine, plan, image, folder, evidence=evidence, listeners=listeners)

    def close(self) -> None:
        """End all runs, and the engine's service if we started it; idempotent."""
        with self._lock:
            engine, self._engine = self._engine, None
            folder, self._folder = self._folder, None
            service, self._service = self._service, None
            self._missing = Unsupported(reason="the backend is closed")
        if engine:
            _remove_containers(engine, lambda owner: owner == engine.owner)
            engine.client.close()
        if service:
            service.close()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _lacking(self, plan: Plan) -> Unsupported | None:
        if plan.binds:
            return Unsupported(reason=f"{self.name} cannot show one folder of an image at a second place")
        if plan.architecture:
            return Unsupported(reason=f"{self.name} is not told of an emulator for {plan.architecture}")
        if plan.network.state is not NetworkState.LOOPBACK:
            return Unsupported(reason=f"{self.name} has no network that is {plan.network.state.value}")
        if self.name == "podman" and any(each.uid or each.gid for each in plan.tmpfs):
            return Unsupported(reason="podman gives a fresh file system to root only")
        cpus = os.sched_getaffinity(0)
        if plan.limits.cpus > len(cpus):
            return Unsupported(
                reason=f"the plan asks for {plan.limits.cpus} CPUs, and this process may use {len(cpus)}",
                hint=f"add `--set cpus={len(cpus)}`",
            )
        return None

    def _not_limited(self, plan: Plan) -> Unsupported | None:
        """Tell which limit cannot be enforced: nobody watches an engine's runs, so none is known to have held."""
        for each in FACTORS:
            level = plan.levels.get(each.name, each.default)
            lacking = each.needs(level) - self._connected().offers
            if lacking:
                return Unsupported(
                    reason=f"{self.name} may not limit {', '.join(sorted(lacking))} here: {each.name}={level}",
                    hint=enabling_limits(text_of, os.geteuid()),
                )
        return None

    def _connected(self) -> Engine:
        """Return the engine, asked at the first need; whether it answers is asked once only.

        Raises:
            BackendError: there is none, or it does not answer.
        """
        with self._lock:
            if self._engine:
                return self._engine
            if self._missing:
                raise BackendError(self._missing.reason, hint=self._missing.hint)
            try:
                self._engine = self._connect()
            except BackendError as error:
                self._missing = Unsupported(reason=error.message, hint=error.hint)
                raise
            return self._engine

    def _connect(self) -> Engine:
        launcher = launcher_path()
        if launcher is None:
            raise BackendError(
                "the launcher, which starts programs in containers of other runtimes, was not built",
                hint="run `sudo apt-get install gcc libc6-dev`, then install Seatrial again",
            )
        self._service = find_service(self.name, self._address)
        client, version = self._service.connect()
        info = client.info()
        self._folder = Path(tempfile.mkdtemp(prefix="seatrial-"))
        self._folder.chmod(0o711)
        system = os.uname()
        engine = Engine(
            name=self.name,
            client=client,
            machine=read_machine(),
            launcher=launcher.read_bytes(),
            ambient=MappingProxyType(
                {
                    "architecture": system.machine,
                    "cgroup": f"v{info.get('CgroupVersion', 1)}",
                    "kernel": system.release,
                    self.name: f"{self.name} {version}",
                }
            ),
            processes=_most_processes(),
            offers=_offers(info),
            owner=f"{os.getpid()}-{start_time(os.getpid())}",
        )
        _remove_containers(engine, _is_dead)
        return engine

    def _load(self, engine: Engine, plan: Plan) -> str:
        """Return the tag of the plan's image with its suite, loaded if the engine has not got it."""
        if self._layout is None:
            raise BackendError("there is no store of images to run from")
        tag = tag_of(plan.image, plan.suite)
        with self._lock:
            if tag in self._loaded:
                return tag
            from docker.errors import DockerException, ImageNotFound  # noqa: PLC0415 - the SDK is large

            try:
                engine.client.inspect_image(f"{REPOSITORY}:{tag}")
            except ImageNotFound:
                try:
                    with archive_of(self._layout, plan.image, plan.suite) as archive:
                        for _ in engine.client.load_image(archive, quiet=True):
                            pass
                    engine.client.inspect_image(f"{REPOSITORY}:{tag}")
                except DockerException as error:
                    raise BackendError(f"{self.name} does not load {plan.image.text}: {error}") from error
            self._loaded.add(tag)
        return tag


def _offers(info: Mapping[str, Any]) -> frozenset[str]:
    """Return what an engine can limit; without root only by control groups v2, whatever else it says of itself."""
    is_rootless = bool(info.get("Rootless")) or any("rootless" in each for each in info.get("SecurityOptions") or ())
    if is_rootless and str(info.get("CgroupVersion", "1")) != "2":
        return frozenset()
    return frozenset(limit for limit, key in _LIMITS.items() if info.get(key))


def _most_processes() -> int:
    """Return what RLIMIT_NPROC a container may be given: Podman asks for its own limit, and some machines refuse it."""
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    return _PROCESSES if hard == resource.RLIM_INFINITY else min(_PROCESSES, hard)


def _is_dead(owner: str) -> bool:
    pid, _, began = owner.partition("-")
    return not (pid.isdecimal() and began.isdecimal()) or start_time(int(pid)) != int(began)


def _remove_containers(engine: Engine, is_ours: Callable[[str], bool]) -> None:
    from docker.errors import DockerException  # noqa: PLC0415 - the SDK is large

    try:
        for each in engine.client.containers(all=True, filters={"label": OWNER}):
            if is_ours(each["Labels"].get(OWNER, "")):
                engine.client.remove_container(each["Id"], force=True, v=True)
    except DockerException:
        pass  # what is left is removed by the next start
