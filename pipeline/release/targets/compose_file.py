"""From a deployment to a file of Compose: pure, so that it can be shown and tested without one.

Source: the Compose specification, as docker-compose 1.27 and the plug-in read it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from pipeline.declare.errors import TargetError
from pipeline.release.targets.confinement import (
    CAPABILITIES,
    MEMORY,
    OPEN_FILES,
    PROCESSES,
    SHARED_MEMORY,
    TEMPORARY,
)
from pipeline.release.targets.engine_request import LOOPBACK, Place, volume_of
from pipeline.release.targets.marks import Marks, Role, container_port
from pipeline.release.targets.target import Wanted
from runtime.canonical import Json
from runtime.oci.temporary import write_whole


def project_of(name: str) -> str:
    """Return what Compose calls a replacement, from the name of one of its containers: letters, digits and ``-``."""
    return "".join(each if each.isalnum() else "-" for each in name.rpartition(".")[0].lower())


def service_of(index: int) -> str:
    """Return what Compose calls a replica."""
    return f"replica-{index}"


def compose_file(wanted: Wanted, place: Place, role: Role, names: Mapping[int, str], project: str) -> dict[str, Json]:
    """Return a file of Compose with one service a replica.

    Network and volumes are not Compose's own, so that no command of it removes them. Secrets are there by their names
    alone; Compose takes the values from its environment.

    Args:
        wanted: the deployment.
        place: where it goes.
        role: of its containers.
        names: index → name of the container.
        project: what Compose calls them together; noted for people, who write it after ``-p``.
    """
    services: dict[str, Json] = {
        service_of(index): _service(wanted, place, role, index, name) for index, name in sorted(names.items())
    }
    found: dict[str, Json] = {
        "x-seatrial": {"project": project},
        "services": services,
        "networks": {"default": {"name": place.network, "external": True}},
    }
    if wanted.deploy.volumes:
        names_of = {each.name: volume_of(wanted, each.name) for each in wanted.deploy.volumes}
        found["volumes"] = {name: {"name": full, "external": True} for name, full in names_of.items()}
    return found


def to_yaml(file: Mapping[str, Json]) -> bytes:
    """Return the file as YAML; the writer quotes values, and Compose's own ``$`` are doubled before."""
    return yaml.safe_dump(dict(file), sort_keys=False, allow_unicode=True, encoding="utf-8")


def read_names(path: Path) -> tuple[str, dict[int, str]]:
    """Return the project in a file of ours, and index → name of its containers; nothing where there is no such file.

    Raises:
        TargetError: it cannot be read, or is none of ours.
    """
    if not path.exists():
        return "", {}
    with _ours(path):
        found = yaml.safe_load(path.read_bytes())
        services = found["services"].items()
        names = {int(service.rpartition("-")[2]): str(each["container_name"]) for service, each in services}
        return str(found["x-seatrial"]["project"]), names


def keep_services(path: Path, services: set[str]) -> None:
    """Take the other services out of a file of ours; one in which none is left is removed.

    Raises:
        TargetError: it cannot be read or written, or is none of ours.
    """
    if not path.exists():
        return
    with _ours(path):
        if not services:
            path.unlink()
            return
        found = yaml.safe_load(path.read_bytes())
        found["services"] = {name: each for name, each in found["services"].items() if name in services}
        write_whole(path, to_yaml(found))


@contextmanager
def _ours(path: Path) -> Iterator[None]:
    """Tell what is wrong with a file of ours, which somebody else may have changed."""
    try:
        yield
    except (OSError, yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        message = f"{path} is not as Seatrial wrote it: {error}"
        raise TargetError(message, hint="deploy the app again, which writes a new one") from error


def _service(wanted: Wanted, place: Place, role: Role, index: int, name: str) -> dict[str, Json]:
    variables: list[Json] = [_literal(f"{each}={value}") for each, value in sorted(wanted.deploy.env.items())]
    found: dict[str, Json] = {
        "image": place.image,
        "container_name": name,
        "labels": {key: _literal(value) for key, value in Marks.of(wanted, role, index).labels().items()},
        "environment": [*variables, *map(_literal, sorted(wanted.secrets))],
        "restart": "unless-stopped",
        "cap_drop": ["ALL"],
        "cap_add": [each.upper() for each in CAPABILITIES],
        "security_opt": ["no-new-privileges"],
        "shm_size": SHARED_MEMORY,
        "tmpfs": [f"/tmp:rw,nosuid,nodev,exec,size={TEMPORARY},mode=1777"],  # noqa: S108 - in the container
        "ulimits": {"core": 0, "nofile": OPEN_FILES},
        "ports": _ports(wanted, role, index),
        "volumes": [f"{each.name}:{each.to}" for each in wanted.deploy.volumes],
    }
    if place.has_init:
        found["init"] = True
    if "memory" in place.offers:
        found |= {"mem_limit": MEMORY, "memswap_limit": MEMORY}
    if "processes" in place.offers:
        found["pids_limit"] = PROCESSES
    return {key: value for key, value in found.items() if value != []}


def _ports(wanted: Wanted, role: Role, index: int) -> list[Json]:
    """Return where a container's port is published; see ``engine_request.published``."""
    port = container_port(wanted)
    ports: list[Json] = [f"{LOOPBACK}::{port}"] if wanted.deploy.health else []
    if wanted.deploy.port and role is Role.REPLICA:
        ports.append(f"{wanted.deploy.port + index - 1}:{port}")
    return ports


def _literal(text: str) -> str:
    """Return text in which Compose replaces nothing."""
    return text.replace("$", "$$")
