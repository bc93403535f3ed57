"""``Engine``: an engine that answers, and what its machine adds to what it is asked for."""

from collections.abc import Mapping
from typing import Any

from runtime.backends.native.machine import Machine
from runtime.canonical import Json
from runtime.data import dataclass

OWNER = "dev.seatrial.owner"
"""The label that says whose a container is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """An engine that answers.

    Args:
        name: the level of the factor ``runtime``.
        client: an ``APIClient`` of the docker SDK.
        machine: what this machine is.
        launcher: the program that starts runs.
        ambient: facts of the machine and of the engine.
        processes: RLIMIT_NPROC of a container.
        offers: the limits that it can enforce.
        owner: the label by which a later start knows whose containers are left.
    """

    name: str
    client: Any
    machine: Machine
    launcher: bytes
    ambient: Mapping[str, str]
    processes: int
    owner: str
    offers: frozenset[str]


def with_owner(body: dict[str, Json], engine: Engine) -> dict[str, Json]:
    """Return a request with what the machine adds: whose container it is, and a limit that Podman sets by itself."""
    host = body["HostConfig"]
    assert isinstance(host, dict)  # noqa: S101 - we have made it
    processes: Json = {"Name": "nproc", "Soft": engine.processes, "Hard": engine.processes}
    ulimits = [*host["Ulimits"], processes]
    return {**body, "Labels": {OWNER: engine.owner}, "HostConfig": {**host, "Ulimits": ulimits}}
