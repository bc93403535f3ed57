"""``Deployment``: what a target was seen to run, as a record of whoever deployed it and as a signed statement.

The record has what the containers were like, to be compared later; the statement names it by its digest alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pipeline.declare.errors import DeployError
from pipeline.declare.stage_file import TargetKind
from pipeline.release.attest import Statement, Subject
from pipeline.release.keyring import print_time
from pipeline.release.targets.target import Replica
from runtime.canonical import Json, to_canonical_json
from runtime.digest import Digest
from runtime.errors import DigestError
from runtime.oci.temporary import write_whole

FORMAT = 1
FOLDER = "deployments"
PREDICATE = "https://seatrial.dev/deployment/v1"
DEPLOYER = "https://seatrial.dev/deployer/local/v1"
"""This program, on a machine that nobody but its user vouches for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A container as it was seen when it was deployed.

    Args:
        digests: by which its target named its image.
        facts: what was in effect.
    """

    digests: tuple[Digest, ...]
    facts: Mapping[str, Json]

    @property
    def digest(self) -> Digest:
        """Over all that was seen."""
        return Digest.of_json({"digests": [each.text for each in self.digests], "facts": self.facts})


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What a target was seen to run.

    Args:
        app: its name.
        stage: the name of the stage.
        number: of the promotion that it rests on.
        target: what runs it.
        release: the digest that was promoted.
        image: the digest of the image's manifest.
        identities: every digest by which a target may name that image.
        configuration: the digest of what decides how it runs.
        acceptance: the digest of the bundle by which the stage took the release; None where nobody demanded one.
        replicas: the containers by the target's names of them.
        at: when, seconds since 1970.
    """

    app: str
    stage: str
    number: int
    target: TargetKind
    release: Digest
    image: Digest
    identities: frozenset[Digest]
    configuration: Digest
    acceptance: Digest | None
    replicas: Mapping[str, Seen]
    at: int

    def statement(self, version: str) -> Statement:
        """Return the claim that this runs, without a path or a name of this machine.

        Args:
            version: of this program; empty where it is not installed.
        """
        deployer: dict[str, Json] = {"id": DEPLOYER}
        if version:
            deployer["version"] = {"seatrial": version}
        predicate: dict[str, Json] = {
            "stage": self.stage,
            "app": self.app,
            "number": self.number,
            "target": self.target.value,
            "image": {"digest": {"sha256": self.image.hex}},
            "configuration": self.configuration.text,
            "acceptance": None if self.acceptance is None else {"digest": {"sha256": self.acceptance.hex}},
            "replicas": [
                {"digests": [each.text for each in seen.digests], "seen": seen.digest.text}
                for _, seen in sorted(self.replicas.items())
            ],
            "deployedOn": print_time(self.at),
            "deployer": deployer,
        }
        subjects = tuple(Subject(name=self.app, digest=each) for each in dict.fromkeys((self.release, self.image)))
        return Statement(subjects=subjects, predicate_type=PREDICATE, predicate=predicate)

    def save(self, store: Path) -> None:
        """Write the record, in place of the one before.

        Raises:
            OSError: it cannot be written.
        """
        path = record_path(store, self.app, self.stage)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, to_canonical_json(self._to_json()))

    @classmethod
    def read(cls, store: Path, app: str, stage: str) -> Self | None:
        """Return the record of what was deployed last; None where nothing was.

        Raises:
            DeployError: it cannot be read, or is that of something else.
        """
        path = record_path(store, app, stage)
        try:
            return cls._parsed(json.loads(path.read_bytes()), app, stage)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, DigestError) as error:
            raise DeployError(f"{path} is no record of a deployment: {error}", hint="deploy the app again") from error

    def _to_json(self) -> Json:
        return {
            "seatrial": FORMAT,
            "app": self.app,
            "stage": self.stage,
            "number": self.number,
            "target": self.target.value,
            "release": self.release.text,
            "image": self.image.text,
            "identities": sorted(each.text for each in self.identities),
            "configuration": self.configuration.text,
            "acceptance": None if self.acceptance is None else self.acceptance.text,
            "replicas": {
                name: {"digests": [each.text for each in seen.digests], "facts": seen.facts}
                for name, seen in self.replicas.items()
            },
            "at": self.at,
        }

    @classmethod
    def _parsed(cls, found: Mapping[str, Any], app: str, stage: str) -> Self:
        if found["seatrial"] != FORMAT:
            raise ValueError(f"its format is {found['seatrial']!a}, and {FORMAT} is what is read here")
        if (found["app"], found["stage"]) != (app, stage):
            raise ValueError(f"it is that of {found['app']} in {found['stage']}")
        return cls(
            app=app,
            stage=stage,
            number=_whole(found["number"]),
            target=TargetKind(found["target"]),
            release=Digest(found["release"]),
            image=Digest(found["image"]),
            identities=frozenset(Digest(each) for each in found["identities"]),
            configuration=Digest(found["configuration"]),
            acceptance=None if found["acceptance"] is None else Digest(found["acceptance"]),
            replicas={
                name: Seen(digests=tuple(Digest(digest) for digest in each["digests"]), facts=each["facts"])
                for name, each in found["replicas"].items()
            },
            at=_whole(found["at"]),
        )


def _whole(number: object) -> int:
    """Return a whole number: of text, the next deployment could not tell whether it is older."""
    if type(number) is not int:
        raise TypeError(f"{number!a} is no whole number")
    return number


def record_path(store: Path, app: str, stage: str) -> Path:
    """Return where the record of a deployment lies."""
    return store / FOLDER / app / f"{stage}.json"


def seen_of(replica: Replica) -> Seen:
    """Return a container as the record keeps it."""
    return Seen(digests=tuple(sorted(replica.digests)), facts=replica.facts)
