"""``Statement``: a claim about images by digest, in the words of in-toto, before and after it is signed.

Source: in-toto attestation framework, spec/v1, "Statement" and "ResourceDescriptor".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from pipeline.release.documents import parse_object, require_fields, require_items, require_text
from pipeline.release.refusal import Refusal, RefusedEvidenceError
from runtime.canonical import Json, to_canonical_json
from runtime.digest import Digest

TYPE = "https://in-toto.io/Statement/v1"

_MOST_SUBJECTS = 1024  # what sigstore-go accepts
_MOST_DIGESTS = 32  # likewise, of one subject
_URI = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\x00-\x20\x7f]{1,500}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DESCRIPTOR = ("uri", "content", "downloadLocation", "mediaType", "annotations", "name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One thing that a statement is about.

    Args:
        name: what it is called, for people; nothing is decided by it.
        digest: of an image's manifest, or of an index.
    """

    name: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A claim about some images.

    Args:
        subjects: the images, by digest. Of an index all of its images are named too: a verifier that has chosen one
            finds nothing otherwise.
        predicate_type: a URI that says what is claimed.
        predicate: the claim. All of ours that goes beyond the types of others stands in here.
    """

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, Json]

    def to_bytes(self) -> bytes:
        """Return the canonical JSON of the statement: equal statements are equal bytes.

        Raises:
            RefusedEvidenceError: nobody would accept it; see ``parse``.
        """
        subjects: Sequence[Json] = [_written(each) for each in self.subjects]
        raw = to_canonical_json(
            {
                "_type": TYPE,
                "subject": subjects,
                "predicateType": self.predicate_type,
                "predicate": self.predicate,
            }
        )
        type(self).parse(raw)
        return raw

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the bytes of a statement, whoever wrote them; they need not be canonical.

        Raises:
            RefusedEvidenceError: a key is missing, unknown or there twice, the type is another one, a subject has no
                SHA-256, there are none or too many, or the predicate is no object.
        """
        what = "the statement"
        found = require_fields(
            parse_object(raw, what),
            what,
            Refusal.STATEMENT_FIELD,
            required=("_type", "subject", "predicateType", "predicate"),
        )
        if found["_type"] != TYPE:
            raise RefusedEvidenceError(Refusal.STATEMENT_TYPE, f"{what} is {found['_type']!a}, not {TYPE}")
        kind = require_text(found["predicateType"], "predicateType")
        if not _URI.fullmatch(kind):
            raise RefusedEvidenceError(Refusal.PREDICATE_TYPE, f"predicateType {kind[:80]!a} is no URI")
        if not isinstance(found["predicate"], Mapping):
            raise RefusedEvidenceError(Refusal.PREDICATE_FORM, "the predicate is no object")
        return cls(subjects=_subjects(found["subject"]), predicate_type=kind, predicate=found["predicate"])

    def require(self, predicate_type: str, digest: Digest) -> None:
        """Do nothing if this is a claim of a kind about an image.

        Raises:
            RefusedEvidenceError: it is of another kind, or about other images.
        """
        if self.predicate_type != predicate_type:
            message = f"the statement is of the type {self.predicate_type}, and {predicate_type} is wanted"
            raise RefusedEvidenceError(Refusal.PREDICATE_OTHER, message)
        if digest not in {each.digest for each in self.subjects}:
            named = ", ".join(each.digest.short for each in self.subjects[:3])
            raise RefusedEvidenceError(Refusal.SUBJECT_OTHER, f"the statement is about {named}, not about {digest}")


def _written(subject: Subject) -> Json:
    named = {"name": subject.name} if subject.name else {}
    return {**named, "digest": {"sha256": subject.digest.hex}}


def _subjects(value: Json) -> tuple[Subject, ...]:
    listed = require_items(value, "subject")
    if not 1 <= len(listed) <= _MOST_SUBJECTS:
        message = f"the statement has {len(listed)} subjects; it has 1 to {_MOST_SUBJECTS}"
        raise RefusedEvidenceError(Refusal.SUBJECT_COUNT, message)
    return tuple(_subject(each, f"subject {index}") for index, each in enumerate(listed, 1))


def _subject(value: Json, what: str) -> Subject:
    found = require_fields(value, what, Refusal.SUBJECT_FORM, required=("digest",), optional=_DESCRIPTOR)
    digests = found["digest"]
    if not isinstance(digests, Mapping) or len(digests) > _MOST_DIGESTS:
        raise RefusedEvidenceError(Refusal.SUBJECT_FORM, f"{what} has no set of at most {_MOST_DIGESTS} digests")
    digits = digests.get("sha256")
    if not isinstance(digits, str) or not _HEX.fullmatch(digits):
        raise RefusedEvidenceError(Refusal.SUBJECT_FORM, f"{what} has no SHA-256 of 64 hexadecimal digits")
    return Subject(name=require_text(found.get("name", ""), f"{what}, name"), digest=Digest(f"sha256:{digits}"))
