"""``Rebuild``: that somebody built an image again, and what came out; see ``specs/predicates/rebuild.md``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from pipeline.release.attest import Statement, Subject
from pipeline.release.documents import require_fields, require_items, require_text
from pipeline.release.keyring import print_time, require_time
from pipeline.release.refusal import Refusal, RefusedEvidenceError
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.errors import DigestError

PREDICATE = "https://seatrial.dev/rebuild/v1"
REBUILDER = "https://seatrial.dev/rebuilder/local/v1"
"""This program, on a machine that nobody but its user vouches for."""

_MOST = 20


class Result(StrEnum):
    """What came out."""

    REPRODUCED = "REPRODUCED"
    DIFFERENT = "DIFFERENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """That an image was built again.

    Args:
        name: of the image, for people.
        image: which was to come out.
        rebuilt: what came out.
        architecture: in Go's words.
        recipe: the artifact that it was built from.
        lock: digest of the lock in it.
        spec: digest of the parts of the spec that the lock answers.
        started: seconds since 1970.
        finished: likewise.
        version: of the rebuilder.
        environment: what is known of the machine; no name of it.
        differences: where and why they differ, the first of them.
    """

    name: str
    image: Digest
    rebuilt: Digest
    architecture: str
    recipe: Digest
    lock: Digest
    spec: Digest
    started: int
    finished: int
    version: str = ""
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    differences: Sequence[Mapping[str, str]] = ()

    @property
    def result(self) -> Result:
        """What came out: the digests say it, and nothing else does."""
        return Result.REPRODUCED if self.rebuilt == self.image else Result.DIFFERENT

    def statement(self) -> Statement:
        """Return the statement about the image that was to come out."""
        builder: dict[str, Json] = {"id": REBUILDER}
        if self.version:
            builder["version"] = {"seatrial": self.version}
        predicate: dict[str, Json] = {
            "result": self.result.value,
            "rebuilt": {"digest": {"sha256": self.rebuilt.hex}},
            "recipe": {"digest": {"sha256": self.recipe.hex}},
            "architecture": self.architecture,
            "lock": self.lock.text,
            "spec": self.spec.text,
            "rebuilder": builder,
            "environment": dict(self.environment),
            "startedOn": print_time(self.started),
            "finishedOn": print_time(self.finished),
        }
        if self.differences:
            predicate["differences"] = [dict(each) for each in self.differences[:_MOST]]
        subject = Subject(name=self.name, digest=self.image)
        return Statement(subjects=(subject,), predicate_type=PREDICATE, predicate=predicate)

    @classmethod
    def of(cls, statement: Statement) -> Self:
        """Return what a statement says.

        Raises:
            RefusedEvidenceError: it is of another kind, about several images, malformed, or its result is not what its
                digests say.
        """
        if statement.predicate_type != PREDICATE:
            message = f"the statement is of the type {statement.predicate_type}, and {PREDICATE} is wanted"
            raise RefusedEvidenceError(Refusal.PREDICATE_OTHER, message)
        if len(statement.subjects) != 1:
            message = f"a rebuild is of one image, and this names {len(statement.subjects)}"
            raise RefusedEvidenceError(Refusal.SUBJECT_COUNT, message)
        (subject,) = statement.subjects
        try:
            found = cls._parsed(subject, statement.predicate)
        except (ValueError, DigestError) as error:
            raise RefusedEvidenceError(Refusal.PREDICATE_FORM, f"the rebuild is malformed: {error}") from error
        if statement.predicate["result"] != found.result:
            message = f"the rebuild says {statement.predicate['result']!a}, and its digests say {found.result}"
            raise RefusedEvidenceError(Refusal.PREDICATE_FORM, message)
        return found

    @classmethod
    def _parsed(cls, subject: Subject, predicate: Mapping[str, Json]) -> Self:
        names = ("result", "rebuilt", "recipe", "architecture", "lock", "spec", "rebuilder", "startedOn", "finishedOn")
        what, reason = "the rebuild", Refusal.PREDICATE_FORM
        fields = require_fields(predicate, what, reason, required=names, optional=("environment", "differences"))
        builder = require_fields(fields["rebuilder"], "rebuilder", reason, required=("id",), optional=("version",))
        version = _texts(builder.get("version", {}), "version")
        return cls(
            name=subject.name,
            image=subject.digest,
            rebuilt=_digest(fields["rebuilt"], "rebuilt"),
            architecture=require_text(fields["architecture"], "architecture"),
            recipe=_digest(fields["recipe"], "recipe"),
            lock=Digest(require_text(fields["lock"], "lock")),
            spec=Digest(require_text(fields["spec"], "spec")),
            started=require_time(fields["startedOn"], "startedOn"),
            finished=require_time(fields["finishedOn"], "finishedOn"),
            version=version.get("seatrial", ""),
            environment=_texts(fields.get("environment", {}), "environment"),
            differences=tuple(
                _texts(each, "a difference") for each in require_items(fields.get("differences", ()), "differences")
            ),
        )


def _digest(value: Json, what: str) -> Digest:
    found = require_fields(value, what, Refusal.PREDICATE_FORM, required=("digest",))
    digests = require_fields(found["digest"], what, Refusal.PREDICATE_FORM, required=("sha256",))
    return Digest(f"sha256:{require_text(digests['sha256'], what)}")


def _texts(value: Json, what: str) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise RefusedEvidenceError(Refusal.JSON_TYPE, f"{what} is no object")
    return MappingProxyType({key: require_text(each, what) for key, each in value.items()})
