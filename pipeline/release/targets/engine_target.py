"""``EngineTarget``: Docker Engine or Podman runs the containers, through the docker SDK.

Source: Docker Engine API 1.41; Podman's compatible interface answers the same.
"""

import resource
import secrets as randomness
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from pipeline.declare.errors import TargetError
from pipeline.release.targets.confinement import PROCESSES
from pipeline.release.targets.engine import EngineClient, connected, told
from pipeline.release.targets.engine_fleet import ByRequest, EngineFleet, Starter
from pipeline.release.targets.engine_images import image_name, prepare_image
from pipeline.release.targets.engine_once import run_to_end
from pipeline.release.targets.engine_request import Place, network_of, once_request
from pipeline.release.targets.engine_volumes import have_volumes
from pipeline.release.targets.handover import change_count, following, hand_over
from pipeline.release.targets.marks import PREFIX, container_port, refuse_older
from pipeline.release.targets.rootless_network import lacking_network
from pipeline.release.targets.target import Once, Replica, Wanted


class EngineTarget:
    """Satisfies ``Target``.

    Args:
        name: ``docker`` or ``podman``.
        address: the engine's socket; by default the one that its own command line would use.
    """

    def __init__(self, name: str, address: str = "") -> None:
        self._name, self._address = name, address

    def unavailable(self) -> str:
        """See ``Target.unavailable``."""
        try:
            with connected(self._name, self._address) as engine:
                _refuse_no_network(engine)
                return ""
        except TargetError as error:
            return str(error)

    def prepare(self, wanted: Wanted) -> None:
        """See ``Target.prepare``; the app's network and its volumes are made too."""
        container_port(wanted)
        with connected(self._name, self._address) as engine:
            _refuse_health_elsewhere(engine, wanted)
            _refuse_no_network(engine)
            refuse_older(wanted, EngineFleet(engine, wanted.app, wanted.stage).numbers())
            prepare_image(engine, wanted)
            _have_network(engine, wanted)
            have_volumes(engine, wanted, image_name(engine, wanted))

    def run_once(
        self, wanted: Wanted, argv: Sequence[str], *, milliseconds: int, beside: Replica | None = None
    ) -> Once:
        """See ``Target.run_once``."""
        with connected(self._name, self._address) as engine:
            body = once_request(wanted, _place(engine, wanted), argv, beside.id if beside else "")
            name = f"{wanted.app}.{wanted.stage}.{wanted.number}.once-{randomness.token_hex(3)}"
            return run_to_end(engine, body, name, wanted.secrets, milliseconds)

    def replace(self, wanted: Wanted, check: Callable[[Sequence[Replica]], None]) -> tuple[Replica, ...]:
        """See ``Target.replace``."""
        with self._changing(wanted) as fleet:
            hand_over(fleet, wanted, check)
            return fleet.told(fleet.running())

    def scale(self, wanted: Wanted, check: Callable[[Sequence[Replica]], None]) -> tuple[Replica, ...]:
        """See ``Target.scale``."""
        with self._changing(wanted, joins=True) as fleet:
            change_count(fleet, wanted, check)
            return fleet.told(fleet.running())

    def observe(self, app: str, stage: str) -> tuple[Replica, ...]:
        """See ``Target.observe``; a candidate that was left is told too."""
        with connected(self._name, self._address) as engine:
            fleet = EngineFleet(engine, app, stage)
            return fleet.told(fleet.running())

    def remove(self, app: str, stage: str) -> None:
        """See ``Target.remove``; the app's network goes too, unless others are in it."""
        with connected(self._name, self._address) as engine:
            fleet = EngineFleet(engine, app, stage, starter=self._starter(app, stage))
            fleet.remove(fleet.everything())
            with suppress(TargetError), told(self._name):
                engine.api.remove_network(network_of(app, stage))

    @contextmanager
    def _changing(self, wanted: Wanted, *, joins: bool = False) -> Iterator[EngineFleet]:
        with connected(self._name, self._address) as engine:
            starter = self._starter(wanted.app, wanted.stage, joins=joins)
            fleet = EngineFleet(engine, wanted.app, wanted.stage, _place(engine, wanted), starter)
            refuse_older(wanted, fleet.numbers())
            yield fleet
            with following():
                fleet.finished()

    def _starter(self, app: str, stage: str, *, joins: bool = False) -> Starter:  # noqa: ARG002 - others need them
        """Return what makes and stops the containers.

        Args:
            app: whose they are.
            stage: likewise.
            joins: whether new ones join those that run.
        """
        return ByRequest()


class DockerTarget(EngineTarget):
    """Docker Engine.

    Args:
        address: as of ``EngineTarget``.
    """

    def __init__(self, address: str = "") -> None:
        super().__init__("docker", address)


def _place(engine: EngineClient, wanted: Wanted) -> Place:
    return Place(
        image=image_name(engine, wanted),
        network=network_of(wanted.app, wanted.stage),
        offers=engine.offers,
        has_init=engine.has_init,
        processes=_most_processes() if engine.name == "podman" else None,
    )


def _most_processes() -> int:
    """Return a RLIMIT_NPROC that every machine grants: Podman asks for a higher one by itself, which some refuse."""
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    return PROCESSES if hard == resource.RLIM_INFINITY else min(PROCESSES, hard)


def _refuse_health_elsewhere(engine: EngineClient, wanted: Wanted) -> None:
    if wanted.deploy.health and not engine.is_here:
        raise TargetError(
            f"{engine.name} is on another machine, and `health` is asked on this one's loopback interface",
            hint="deploy from that machine, or leave `health` out",
        )


def _refuse_no_network(engine: EngineClient) -> None:
    if engine.name == "podman" and engine.is_rootless and engine.is_here:
        lacking = lacking_network(engine.version)
        if lacking:
            raise lacking


def _have_network(engine: EngineClient, wanted: Wanted) -> None:
    name = network_of(wanted.app, wanted.stage)
    labels = {f"{PREFIX}.app": wanted.app, f"{PREFIX}.stage": wanted.stage}
    if not any(each["Name"] == name for each in engine.api.networks(names=[name])):
        engine.api.create_network(name, driver="bridge", labels=labels)
