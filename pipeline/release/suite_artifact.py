"""The suite travels with its image: an artifact whose subject is the image, from which the suite can be asked again.

Its config is the question, its layers the suite's own and those of the services, verbatim, each with its manifest and
config; and beside them how the image behaved, by the digests that were signed, for whoever has to tell what changed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.release.refusal import Refusal, RefusedEvidenceError
from pipeline.release.suite_question import SuiteQuestion
from runtime.canonical import Json, to_canonical_json
from runtime.digest import Digest
from runtime.errors import DigestError, StoreError
from runtime.oci.attached import Artifact, Attachable, attach_artifact, read_artifact
from runtime.oci.copy import copy_image
from runtime.oci.descriptor import Descriptor
from runtime.oci.document import DOCUMENT_LIMIT
from runtime.oci.image import SUITE, Image
from runtime.oci.layout import Layout
from runtime.oci.refusal import RefusedError
from runtime.oci.store import Blobs

KIND = SUITE
QUESTION = "application/vnd.seatrial.question.v1+json"
"""The artifact's config."""

TREE = "application/vnd.seatrial.tree.manifest.v1+json"
"""The manifest of the suite's tree or of a service's image. By OCI's own type a registry may look for it among its
manifests, where it is not."""

RECORD = "application/vnd.seatrial.behavior.v1+json"
"""How a run behaved: what a behavior digest is the digest of."""

_LONGEST_RECORD = 256 * 1024 * 1024  # of 200 000 tests, whose ids have 1000 characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What somebody has signed of a question.

    Args:
        image: the image that it was asked of.
        question: the digest of its document.
        suite: the suite digest.
        normalization: the digest of what was learned.
    """

    image: Digest
    question: Digest | None
    suite: Digest
    normalization: Digest | None


def attach_suite(
    question: SuiteQuestion, records: Mapping[Digest, Mapping[str, Json]], store: Attachable
) -> Descriptor:
    """Put a suite beside the image that it was asked of; an equal one is not put there again.

    Args:
        question: what was asked; its trees are in the store.
        records: behavior digest → how it behaved.
        store: has the image.

    Raises:
        StoreError: the image or a tree is not in the store, or it cannot be written.
        RefusedError: a manifest is malformed.
    """
    config = store.write(question.to_bytes(), QUESTION)
    blobs = {each.digest: each for tree in question.trees for each in _blobs(tree, store)}
    for digest in sorted(records):
        blobs[digest] = store.write(to_canonical_json(records[digest]), RECORD, expected=digest)
    artifact = Artifact(kind=KIND, blobs=tuple(blobs.values()), annotations={}, config=config)
    return attach_artifact(artifact, question.inquiry.image, store)


def find_question(signed: Signed, store: Attachable) -> SuiteQuestion:
    """Return what was asked of an image, as it was signed.

    Args:
        signed: by somebody whose word counts.
        store: has the image.

    Raises:
        RefusedEvidenceError: it says of no question that it can be asked again, no suite beside the image has that one,
            or it is not what was signed.
        StoreError: the store cannot be read.
    """
    if signed.question is None:
        raise RefusedEvidenceError(
            Refusal.SUITE_UNKNOWN,
            f"the evidence of {signed.image.short} does not say which question was asked",
            hint="verify it again with this version",
        )
    if not any(each.config and each.config.digest == signed.question for each in _suites(signed.image, store)):
        raise _missing(signed.image, f"beside {signed.image.short} lies no suite with {signed.question.short}")
    found = SuiteQuestion.parse(_read(signed.question, signed.image, store), f"the question {signed.question.short}")
    asked = found.inquiry
    if asked.image != signed.image:
        message = f"the question {signed.question.short} was asked of {asked.image.short}, not of {signed.image.short}"
        raise RefusedEvidenceError(Refusal.SUITE_SUBJECT, message)
    if asked.suite.digest != signed.suite:
        message = (
            f"the suite beside {signed.image.short} is {asked.suite.digest.short}, and {signed.suite.short} passed"
        )
        raise RefusedEvidenceError(Refusal.SUITE_UNSIGNED, message)
    if found.normalization.digest != signed.normalization:
        message = f"the normalization {found.normalization.digest.short} is not the one that was signed"
        raise RefusedEvidenceError(Refusal.SUITE_NORMALIZATION, message)
    return found


def bring_suite(question: SuiteQuestion, source: Blobs, target: Layout) -> None:
    """Have what runs beside an image in a layout; what is there already is not read again.

    Args:
        question: names it.
        source: has it; nothing that it says is trusted.
        target: takes it.

    Raises:
        RefusedEvidenceError: a part of it is missing.
        RefusedError: a part of it is malformed, or not the bytes that its manifest names.
    """
    for tree in question.trees:
        try:
            copy_image(tree, source, target)
        except StoreError as error:
            raise _missing(question.inquiry.image, f"a part of the suite is missing: {error.message}") from error


def read_record(digest: Digest, store: Blobs) -> Mapping[str, Any] | None:
    """Return how a run behaved by its behavior digest; None where that is not kept."""
    try:
        found = json.loads(store.read(digest, _LONGEST_RECORD))
    except (StoreError, DigestError, RefusedError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _blobs(tree: Digest, store: Blobs) -> Iterator[Descriptor]:
    opened = Image.open(store, tree)
    yield Descriptor(media_type=TREE, digest=tree, size=len(store.read(tree, DOCUMENT_LIMIT)))
    yield Descriptor.parse(opened.manifest["config"], f"config of {tree}")
    yield from (each.descriptor for each in opened.layers)


def _suites(image: Digest, store: Attachable) -> Iterator[Artifact]:
    """Yield the suites beside an image; what cannot be read hides no other."""
    for each in store.referrers(image, artifact_type=KIND):
        try:
            found = read_artifact(each, image, store)
        except (StoreError, DigestError, RefusedError):
            continue
        if found.kind == KIND:
            yield found


def _read(question: Digest, image: Digest, store: Blobs) -> bytes:
    try:
        return store.read(question, DOCUMENT_LIMIT)
    except (StoreError, DigestError) as error:
        raise _missing(image, f"the question {question.short} cannot be read: {error.message}") from error


def _missing(image: Digest, message: str) -> RefusedEvidenceError:
    hint = f"verify {image.short} again where it was built, and promote it from there"
    return RefusedEvidenceError(Refusal.SUITE_MISSING, message, hint=hint)
