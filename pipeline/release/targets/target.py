"""``Target``: what runs the containers of a stage and tells what really runs; and what passes between us and it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pipeline.declare.stage_file import DeployPart
from runtime.canonical import Json, to_canonical_json
from runtime.digest import Digest
from runtime.oci.image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A deployment as it is meant.

    Args:
        app: its name.
        stage: the name of the stage.
        number: of the promotion that it rests on; a target refuses one that is lower than it has seen.
        release: the digest that was promoted: of an index, or of ``image`` itself.
        image: the image of this target's platform.
        layout: the folder of the OCI layout that has its blobs.
        repository: where a registry has them as ``REGISTRY/REPOSITORY``; empty where the layout alone has.
        deploy: how it runs.
        secrets: name → value; never written down, never digested, never shown.
    """

    app: str
    stage: str
    number: int
    release: Digest
    image: Image
    layout: Path
    repository: str
    deploy: DeployPart
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def configuration(self) -> Digest:
        """The digest of all that decides how it runs, apart from the image, the replicas and the secrets' values."""
        part = self.deploy.model_dump(mode="json", by_alias=True, exclude={"replicas"})
        return Digest.of(to_canonical_json({"app": self.app, "stage": self.stage, "deploy": part}))


class ReplicaState(StrEnum):
    """What a container does."""

    RUNNING = "running"
    UNHEALTHY = "unhealthy"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A container as its target tells that it is; nothing here is what we asked for.

    Args:
        id: the target's own name of it.
        state: what it does.
        digests: every digest by which the target names its image: of the manifest, the index or the configuration.
        number: of the promotion that it says it rests on; 0 where it says none.
        configuration: the digest that it carries; None where it carries none.
        facts: what is in effect, by name, in the target's order: ``argv``, ``user``, ``environment`` (names, and
            digests of the values of those that are no secrets), ``mounts``, ``capabilities``, ``no-new-privileges``,
            ``seccomp``, ``memory``, ``cpus``, ``processes``, ``kernel``, ``files`` (the digest of what differs from the
            image, null where nothing does). What a target cannot tell is not there.
    """

    id: str
    state: ReplicaState
    digests: frozenset[Digest]
    number: int
    configuration: Digest | None
    facts: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """A command that ran to its end in a container of its own.

    Args:
        exit: its exit code; 128 and the signal's number if one ended it.
        output: the last of what it wrote, both streams, secrets masked.
    """

    exit: int
    output: str


class Target(Protocol):
    """Runs the containers of one app in one stage. Every verb raises ``TargetError`` where the target fails."""

    def unavailable(self) -> str:
        """Return why nothing can be run here, with the command that helps; empty if all is well."""

    def prepare(self, wanted: Wanted) -> None:
        """Have the image where the target runs it, by digest. Nothing runs yet; doing it again changes nothing."""

    def run_once(
        self, wanted: Wanted, argv: Sequence[str], *, milliseconds: int, beside: Replica | None = None
    ) -> Once:
        """Run a command in the new image, with the deployment's configuration, secrets and volumes, to its end.

        Args:
            wanted: the deployment.
            argv: the command.
            milliseconds: after which it is ended, and has failed.
            beside: a container whose network it has, so that 127.0.0.1 is that container's; None for none.
        """

    def replace(self, wanted: Wanted, check: Callable[[Sequence[Replica]], None]) -> tuple[Replica, ...]:
        """Start the new containers beside the old ones, give them the traffic, and end the old ones.

        Args:
            wanted: what is to run.
            check: is called with the new containers when they are ready, before they get traffic. If it raises, or they
                do not get ready, the new ones are ended, the old ones go on undisturbed, and the exception passes on.

        Returns:
            What runs then, as ``observe`` tells it.

        Raises:
            LeftOverError: the new ones have the traffic, and the old ones could not be ended.
        """

    def scale(self, wanted: Wanted, check: Callable[[Sequence[Replica]], None]) -> tuple[Replica, ...]:
        """Run as many containers as ``wanted`` says, of what runs already; those that stay are not disturbed.

        Args:
            wanted: as it runs, but for the number of replicas.
            check: is called with all containers, the new ones ready, before these get traffic; not when there are to be
                fewer. If it raises, or they do not get ready, the new ones are ended, and the exception passes on.

        Returns:
            What runs then, as ``observe`` tells it.
        """

    def observe(self, app: str, stage: str) -> tuple[Replica, ...]:
        """Return the containers of an app in a stage, read from the target itself, sorted by id."""

    def remove(self, app: str, stage: str) -> None:
        """End all containers of an app in a stage; its volumes stay."""
