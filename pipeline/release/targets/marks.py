"""What a container says of itself by labels, and that a target refuses a promotion older than one that it has seen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.declare.errors import TargetError
from pipeline.declare.stage_file import HealthPart
from pipeline.release.targets.masking import hidden
from pipeline.release.targets.target import Wanted
from runtime.digest import Digest
from runtime.errors import DigestError

PREFIX = "dev.seatrial"

_MOST_DIGITS = 5  # of a port


class Role(StrEnum):
    """What a container is for."""

    CANDIDATE = "candidate"
    """It is checked, and has no traffic yet."""
    REPLICA = "replica"
    """It has the traffic."""
    ONCE = "once"
    """It runs one command to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What the labels of a container say; whoever made it could write anything there.

    Args:
        app: whose it is.
        stage: likewise.
        role: what it is for.
        index: which of the replicas, from 1 on.
        number: of the promotion; 0 where it says none.
        configuration: of the deployment; None where it says none.
        release: what was promoted; None where it says none.
        secrets: the names of the variables that are secrets.
        health: ``PORT`` or ``PORT/PATH`` where its readiness is asked for; empty for none.
    """

    app: str
    stage: str
    role: str
    index: int = 0
    number: int = 0
    configuration: Digest | None = None
    release: Digest | None = None
    secrets: tuple[str, ...] = ()
    health: str = ""

    @classmethod
    def of(cls, wanted: Wanted, role: Role, index: int = 0) -> "Marks":
        """Return those of a container of a deployment."""
        return cls(
            app=wanted.app,
            stage=wanted.stage,
            role=role,
            index=index,
            number=wanted.number,
            configuration=wanted.configuration,
            release=wanted.release,
            secrets=tuple(sorted(wanted.secrets)),
            health=_print_health(wanted.deploy.health),
        )

    @classmethod
    def parse(cls, labels: Mapping[str, str]) -> "Marks":
        """Return what labels say; what is malformed is as if it were not there."""
        said = {key.removeprefix(f"{PREFIX}."): value for key, value in labels.items() if key.startswith(f"{PREFIX}.")}
        return cls(
            app=said.get("app", ""),
            stage=said.get("stage", ""),
            role=said.get("role", ""),
            index=_number(said.get("index", "")),
            number=_number(said.get("number", "")),
            configuration=_digest(said.get("configuration", "")),
            release=_digest(said.get("release", "")),
            secrets=tuple(filter(None, said.get("secrets", "").split(","))),
            health=said.get("health", ""),
        )

    def labels(self) -> dict[str, str]:
        """Return them as labels."""
        said = {
            "app": self.app,
            "stage": self.stage,
            "role": str(self.role),
            "index": str(self.index),
            "number": str(self.number),
            "configuration": str(self.configuration or ""),
            "release": str(self.release or ""),
            "secrets": ",".join(self.secrets),
            "health": self.health,
        }
        return {f"{PREFIX}.{key}": value for key, value in said.items() if value}


def refuse_older(wanted: Wanted, seen: Iterable[int]) -> None:
    """Refuse a promotion that is older than one whose containers are here: two who deploy at once must not mix.

    Raises:
        TargetError: a container is of a later promotion.
    """
    latest = max(seen, default=0)
    if wanted.number < latest:
        raise TargetError(
            f"promotion {wanted.number} of {wanted.app} is older than {latest}, which {wanted.stage} runs",
            hint=f"run `seatrial status {wanted.app}`; `seatrial rollback` makes a new promotion of an earlier image",
        )


def container_port(wanted: Wanted) -> int | None:
    """Return the port on which containers are reached: that of the health check, the image's only one, or the same.

    Raises:
        TargetError: the image has several, and nothing says which.
    """
    deploy = wanted.deploy
    if deploy.health:
        return deploy.health.port
    named = (each.removesuffix("/tcp") for each in wanted.image.ports)  # whatever an image has there
    ports = [int(each) for each in named if each.isdecimal() and len(each) <= _MOST_DIGITS]
    if len(ports) > 1 and deploy.port and deploy.port not in ports:
        listed = ", ".join(map(str, ports))
        message = f"port {deploy.port} of {wanted.stage} leads to one of the ports {listed} of {wanted.app}: which?"
        raise TargetError(message, hint="write `health: {port: N}` into the stage's `deploy`")
    if deploy.port is None:
        return None
    return ports[0] if len(ports) == 1 else deploy.port


def masked(text: str, secrets: Mapping[str, str]) -> str:
    """Return ``text`` without the values of secrets."""
    for each in hidden(secrets.values()):
        text = text.replace(each, "***")
    return text


def _print_health(health: HealthPart | None) -> str:
    return f"{health.port}{health.http or ''}" if health else ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _digest(text: str) -> Digest | None:
    try:
        return Digest(text)
    except DigestError:
        return None
