"""``EngineFleet``: the containers of one app in one stage, made and told by an engine; satisfies ``Fleet``."""

import secrets as randomness
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from pipeline.declare.errors import TargetError
from pipeline.release.targets.engine import EngineClient, told
from pipeline.release.targets.engine_facts import digests_of, facts_of, state_of
from pipeline.release.targets.engine_files import files_of
from pipeline.release.targets.engine_once import last_words
from pipeline.release.targets.engine_request import LOOPBACK, Place, replica_request
from pipeline.release.targets.inside import look_inside
from pipeline.release.targets.marks import PREFIX, Marks, Role
from pipeline.release.targets.readiness import answers, await_all
from pipeline.release.targets.target import Replica, ReplicaState, Wanted
from runtime.canonical import Json
from runtime.digest import Digest

_SETTLING = 0.5  # seconds after which a container without a health check still runs
_NOT_YET = frozenset({"configured", "created", "initialized"})
_GRACE = 10  # seconds between SIGTERM and SIGKILL, as of the engines' own commands


class Starter(Protocol):
    """Makes, starts and stops containers by their names."""

    def start(self, engine: EngineClient, wanted: Wanted, place: Place, role: Role, names: Mapping[int, str]) -> None:
        """Start the replicas ``names`` (index → name); what was made when it fails, the caller removes.

        Raises:
            TargetError: one of them cannot be started.
        """

    def stop(self, engine: EngineClient, name: str) -> None:
        """Stop a container; one that is stopped is no error."""

    def resume(self, engine: EngineClient, name: str) -> None:
        """Start a stopped container again."""

    def ended(self, names: Sequence[str]) -> None:
        """Forget what was kept of containers that are gone."""

    def finished(self) -> None:
        """Keep what is to be kept of a change that has come to its end."""


class ByRequest:
    """Starts each container by requests of its own; satisfies ``Starter``."""

    def start(self, engine: EngineClient, wanted: Wanted, place: Place, role: Role, names: Mapping[int, str]) -> None:
        """See ``Starter``."""
        for index, name in names.items():
            engine.api.create_container_from_config(replica_request(wanted, place, role, index), name=name)
            engine.api.start(name)

    def stop(self, engine: EngineClient, name: str) -> None:
        """See ``Starter``."""
        engine.api.stop(name, timeout=_GRACE)

    def resume(self, engine: EngineClient, name: str) -> None:
        """See ``Starter``."""
        engine.api.start(name)

    def ended(self, names: Sequence[str]) -> None:
        """Nothing was kept."""

    def finished(self) -> None:
        """Likewise."""


class EngineFleet:
    """Satisfies ``Fleet``.

    Args:
        engine: has the containers.
        app: whose they are.
        stage: likewise.
        place: where new ones go; None for who only looks.
        starter: makes them.
    """

    def __init__(
        self, engine: EngineClient, app: str, stage: str, place: Place | None = None, starter: Starter | None = None
    ) -> None:
        self._engine, self._app, self._stage, self._place = engine, app, stage, place
        self._starter = starter or ByRequest()

    def running(self) -> tuple[str, ...]:
        """Return the replicas by their index, then candidates that were left."""
        found = [(each, marks) for each, marks in self._listed() if marks.role != Role.ONCE]
        found.sort(key=lambda pair: (pair[1].role != Role.REPLICA, pair[1].index, pair[0]))
        return tuple(name for name, _ in found)

    def numbers(self) -> tuple[int, ...]:
        """Return the numbers of the promotions whose containers are here."""
        return tuple(marks.number for _, marks in self._listed())

    def start(self, wanted: Wanted, role: Role, indexes: Sequence[int]) -> tuple[str, ...]:
        """See ``Fleet.start``."""
        token = randomness.token_hex(3)
        names = {each: f"{wanted.app}.{wanted.stage}.{wanted.number}.{token}.{each}" for each in indexes}
        if self._place is None:
            raise TargetError(f"{self._engine.name} was asked only to look")
        try:
            with told(self._engine.name):
                self._starter.start(self._engine, wanted, self._place, role, names)
                self._await_ready(wanted, tuple(names.values()))
        except BaseException:
            with suppress(TargetError):
                self.remove(tuple(names.values()))
            raise
        return tuple(names.values())

    def stop(self, names: Sequence[str]) -> None:
        """See ``Fleet.stop``."""
        with told(self._engine.name):
            for each in names:
                self._starter.stop(self._engine, each)

    def resume(self, names: Sequence[str]) -> None:
        """See ``Fleet.resume``."""
        with told(self._engine.name):
            for each in names:
                self._starter.resume(self._engine, each)

    def remove(self, names: Sequence[str]) -> None:
        """See ``Fleet.remove``; anonymous volumes stay too, as an image may keep data there."""
        from docker.errors import NotFound  # noqa: PLC0415 - the SDK is large

        with told(self._engine.name):
            for each in names:
                with suppress(NotFound):
                    self._starter.stop(self._engine, each)
                with suppress(NotFound):
                    self._engine.api.remove_container(each, force=True)
            self._starter.ended(names)

    def told(self, names: Sequence[str]) -> tuple[Replica, ...]:
        """See ``Fleet.told``."""
        with told(self._engine.name):
            return tuple(self._replica(each) for each in sorted(names))

    def finished(self) -> None:
        """See ``Starter.finished``."""
        with told(self._engine.name):
            self._starter.finished()

    def everything(self) -> tuple[str, ...]:
        """Return all containers of the app in the stage, of whatever role."""
        return tuple(name for name, _ in self._listed())

    def _listed(self) -> list[tuple[str, Marks]]:
        labels = [f"{PREFIX}.app={self._app}", f"{PREFIX}.stage={self._stage}"]
        with told(self._engine.name):
            found = self._engine.api.containers(all=True, filters={"label": labels})
        return sorted(
            ((each["Names"][0].lstrip("/"), Marks.parse(each["Labels"] or {})) for each in found),
            key=lambda pair: pair[0],
        )

    def _replica(self, name: str) -> Replica:
        found = self._engine.api.inspect_container(name)
        marks = Marks.parse(found["Config"].get("Labels") or {})
        state = self._state(found, marks)
        return Replica(
            id=name,
            state=state,
            digests=self._digests(found),
            number=marks.number,
            configuration=marks.configuration,
            # Where nothing runs, nothing is in effect.
            facts={} if state is ReplicaState.STOPPED else self._facts(found, marks),
        )

    def _facts(self, found: Mapping[str, Any], marks: Marks) -> Mapping[str, Json]:
        inside = look_inside(int(found["State"].get("Pid") or 0), found["Id"])
        points = [each["Destination"] for each in found.get("Mounts") or ()]
        points += (found["HostConfig"].get("Tmpfs") or {}).keys()
        files = files_of(self._engine.api, found["Id"], points)
        return facts_of(found, marks, inside) | {"kernel": self._engine.kernel} | files

    def _state(self, found: Mapping[str, Any], marks: Marks) -> ReplicaState:
        state = state_of(found)
        is_asked = state is ReplicaState.RUNNING and marks.health and self._engine.is_here
        return ReplicaState.UNHEALTHY if is_asked and not _is_ready(found, marks.health) else state

    def _digests(self, found: Mapping[str, Any]) -> frozenset[Digest]:
        from docker.errors import DockerException  # noqa: PLC0415 - the SDK is large

        try:
            image = self._engine.api.inspect_image(found["Image"])
        except DockerException:
            image = {}  # it may be removed while a container runs it
        return digests_of({**found, **self._engine.own(found["Id"])}, image)

    def _await_ready(self, wanted: Wanted, names: Sequence[str]) -> None:
        """Wait until each answers; without a health check, see that it still runs after a moment."""
        health = wanted.deploy.health
        if health is None:
            time.sleep(_SETTLING)
        waiting: dict[str, Callable[[], bool]] = {
            name: lambda name=name: self._is_up(wanted, name)  # type: ignore[misc]
            for name in names
        }
        what = f"answer at port {health.port}{health.http or ''}" if health else "start"
        await_all(waiting, health.within / 1000 if health else _GRACE, what=what)

    def _is_up(self, wanted: Wanted, name: str) -> bool:
        found = self._engine.api.inspect_container(name)
        state = found["State"]
        if state.get("Status") in _NOT_YET:
            return False  # whoever starts it, such as systemd, has not come so far
        if not state.get("Running") or int(found.get("RestartCount") or 0):
            words = last_words(self._engine, name, wanted.secrets, 20).strip()
            ended = f"{name} ended with exit code {state.get('ExitCode')} as soon as it ran"
            raise TargetError(f"{ended}: {words or 'it wrote nothing'}")
        marks = Marks.of(wanted, Role.REPLICA)
        return not marks.health or _is_ready(found, marks.health)


def _is_ready(found: Mapping[str, Any], health: str) -> bool:
    """Ask a container at the loopback port by which its health port is reached."""
    port, slash, path = health.partition("/")
    bound = (found["NetworkSettings"].get("Ports") or {}).get(f"{port}/tcp") or ()
    ports = [int(each["HostPort"]) for each in bound if each.get("HostIp") == LOOPBACK and each.get("HostPort")]
    return any(answers(LOOPBACK, each, f"{slash}{path}") for each in ports)
