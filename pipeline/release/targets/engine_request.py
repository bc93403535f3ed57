"""From a deployment to what an engine is asked for: pure, so that it can be shown and tested without an engine.

Source: Docker Engine API 1.41, ``ContainerCreate``; Podman's compatible interface takes the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.release.targets.confinement import (
    CAPABILITIES,
    MEMORY,
    OPEN_FILES,
    PROCESSES,
    SHARED_MEMORY,
    TEMPORARY,
)
from pipeline.release.targets.marks import Marks, Role, container_port
from pipeline.release.targets.target import Wanted
from runtime.canonical import Json

LOOPBACK = "127.0.0.1"

_ULIMITS: tuple[Json, ...] = (
    {"Name": "core", "Soft": 0, "Hard": 0},
    {"Name": "nofile", "Soft": OPEN_FILES, "Hard": OPEN_FILES},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a container goes, beside what the deployment says.

    Args:
        image: by which the engine knows the image, pinned by a digest.
        network: the app's own network there.
        offers: the limits that the engine can enforce: ``memory``, ``processes``.
        has_init: whether it has a first process that reaps and forwards signals.
        processes: RLIMIT_NPROC of a container; None leaves it to the engine.
    """

    image: str
    network: str
    offers: frozenset[str]
    has_init: bool
    processes: int | None = None


def network_of(app: str, stage: str) -> str:
    """Return the name of the network that all containers of an app in a stage are in."""
    return f"seatrial.{app}.{stage}"


def volume_of(wanted: Wanted, name: str) -> str:
    """Return what a volume is called by an engine, where other apps have theirs."""
    return f"{wanted.app}.{wanted.stage}.{name}"


def replica_request(wanted: Wanted, place: Place, role: Role, index: int, *, restart: bool = True) -> dict[str, Json]:
    """Return the body of the request that makes a replica, or a candidate, which has no port of the machine.

    Args:
        wanted: the deployment.
        place: where it goes.
        role: which of the two.
        index: of the replica.
        restart: whether the engine starts it again when it ends.
    """
    port = container_port(wanted)
    host = _host(wanted, place)
    host["RestartPolicy"] = {"Name": "unless-stopped" if restart else "no"}
    body = _body(wanted, place, host, Marks.of(wanted, role, index))
    if port is None:
        return body
    key = f"{port}/tcp"
    host["PortBindings"] = {key: published(wanted, role, index)}
    return {**body, "ExposedPorts": {key: {}}}


def published(wanted: Wanted, role: Role, index: int) -> list[Json]:
    """Return where a container's port is published: on loopback to be asked for health, and where users find it."""
    places: list[Json] = []
    if wanted.deploy.health:
        places.append({"HostIp": LOOPBACK, "HostPort": ""})
    if wanted.deploy.port and role is Role.REPLICA:
        places.append({"HostIp": "", "HostPort": str(wanted.deploy.port + index - 1)})
    return places


def once_request(wanted: Wanted, place: Place, argv: Sequence[str], beside: str = "") -> dict[str, Json]:
    """Return the body of the request that makes a container for one command.

    Args:
        wanted: the deployment.
        place: where it goes.
        argv: the command.
        beside: the container whose network it has; empty for none.
    """
    host = _host(wanted, place) | ({"NetworkMode": f"container:{beside}"} if beside else {})
    host["LogConfig"] = {"Type": "json-file", "Config": {}}  # some of an engine's other drivers cannot be read
    body = _body(wanted, place, host, Marks.of(wanted, Role.ONCE))
    return {**body, "Entrypoint": [argv[0]], "Cmd": [*argv[1:]]}


def _body(wanted: Wanted, place: Place, host: Mapping[str, Json], marks: Marks) -> dict[str, Json]:
    variables = {**wanted.deploy.env, **wanted.secrets}
    return {
        "Image": place.image,
        "Env": [f"{name}={value}" for name, value in sorted(variables.items())],
        "Labels": marks.labels(),
        "HostConfig": host,
    }


def _host(wanted: Wanted, place: Place) -> dict[str, Json]:
    temporary = f"rw,nosuid,nodev,exec,size={TEMPORARY},mode=1777"
    host: dict[str, Json] = {
        "NetworkMode": place.network,
        "CapDrop": ["ALL"],
        "CapAdd": [each.upper() for each in CAPABILITIES],
        "SecurityOpt": ["no-new-privileges"],
        "ShmSize": SHARED_MEMORY,
        "Tmpfs": {"/tmp": temporary},  # noqa: S108 - in the container
        "Ulimits": list(_ULIMITS),
        "Binds": [f"{volume_of(wanted, each.name)}:{each.to}" for each in wanted.deploy.volumes],
    }
    if place.has_init:
        host["Init"] = True
    if place.processes is not None:
        limit: Json = {"Name": "nproc", "Soft": place.processes, "Hard": place.processes}
        host["Ulimits"] = [*_ULIMITS, limit]
    if "memory" in place.offers:
        host |= {"Memory": MEMORY, "MemorySwap": MEMORY}
    if "processes" in place.offers:
        host["PidsLimit"] = PROCESSES
    return host
