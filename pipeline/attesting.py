"""Sign what a verification found, and put it beside the images that it was found of, with the suite that found it."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.release.attest import Statement
from pipeline.release.bundle import parse_bundle, signed_bundle
from pipeline.release.certified import verify_certified
from pipeline.release.evidence import attach_evidence, find_evidence
from pipeline.release.refusal import RefusedEvidenceError
from pipeline.release.released import verified_name
from pipeline.release.signing import AnySigner, Certifying, verify
from pipeline.release.suite_artifact import attach_suite
from pipeline.release.suite_question import SuiteQuestion
from pipeline.release.verdicts import Seen
from pipeline.verify.verdict import EnvironmentResult, Verification
from runtime.digest import Digest
from runtime.oci.attached import Attachable, AttachedLayout
from runtime.oci.descriptor import MANIFEST, Descriptor
from runtime.oci.document import DOCUMENT_LIMIT, parse_document, text
from runtime.oci.image import Image
from runtime.oci.layout import Layout


def attest(result: Verification, store: Path, signer: AnySigner, *, version: str, clock: Callable[[], int]) -> int:
    """Sign what was found of every environment, and put it beside its image, with the suite that found it.

    A statement that the same key has signed before is not signed again. The layout lists the image as
    ``NAME/verified``, wherever it came from.

    Args:
        result: what was found; of one that was interrupted nothing is signed.
        store: its folder, which has the images.
        signer: of the statements.
        version: of this program; empty where it is not installed.
        clock: gives the seconds since 1970.

    Returns:
        How many statements were put beside images.

    Raises:
        KeysError: the key cannot sign.
        StoreError: an image is not in the store, or it cannot be written.
    """
    if result.partial:
        return 0
    layout = Layout(store / "oci")
    attached, count = AttachedLayout(layout), 0
    for each in result.environments:
        question = SuiteQuestion.of(each)
        if question is not None:
            attach_suite(question, each.records, attached)
        count += len(attest_result(each, attached, signer, version=version, at=clock()))
        raw = layout.read(each.image, DOCUMENT_LIMIT)
        kind = text(parse_document(raw, f"manifest {each.image}").get("mediaType", MANIFEST), "mediaType")
        manifest = Descriptor(media_type=kind, digest=each.image, size=len(raw))
        layout.add_manifest(manifest, name=verified_name(each.name))
    return count


def attest_result(
    result: EnvironmentResult, store: Attachable, signer: AnySigner, *, version: str, at: int
) -> tuple[Digest, ...]:
    """Sign what was found of one environment, and put it beside its image; see ``attest``.

    Args:
        result: what was found.
        store: has the image.
        signer: of the statements.
        version: of this program; empty where it is not installed.
        at: seconds since 1970.

    Returns:
        The digests of the bundles that were put there, that of all hosts last.

    Raises:
        KeysError: the key cannot sign.
        StoreError: the image is not in the store, or it cannot be written.
    """
    question = SuiteQuestion.of(result)
    seen = Seen(
        result=result,
        image=Image.open(store, result.image),
        at=at,
        version=version,
        question=question.digest if question else None,
    )
    known = set(_known(result.image, store, signer))
    new = [each for each in seen.statements() if each.to_bytes() not in known]
    return tuple(attest_statement(each, result.image, store, signer, at) for each in new)


def attest_statement(statement: Statement, subject: Digest, store: Attachable, signer: AnySigner, at: int) -> Digest:
    """Sign a statement, put it beside its subject, and return the digest of the bundle.

    Args:
        statement: what is signed.
        subject: the image or index that it is about.
        store: has that.
        signer: of the statement.
        at: seconds since 1970.

    Raises:
        KeysError: the key cannot sign.
        StoreError: the subject is not in the store, or it cannot be written.
    """
    bundle = signed_bundle(statement, signer)
    attach_evidence(bundle, statement.predicate_type, subject, store, at=at)
    return Digest.of(bundle)


def _known(image: Digest, store: Attachable, signer: AnySigner) -> Iterator[bytes]:
    """Yield what a signer has signed."""
    for each in find_evidence(image, store):
        with contextlib.suppress(RefusedEvidenceError):
            if each.bundle:
                envelope = parse_bundle(each.bundle)
                if not isinstance(signer, Certifying):
                    verify(envelope, [signer.public])
                elif envelope.certified:
                    verify_certified(envelope, signer.trust_root, [signer.public])
                else:
                    continue
                yield envelope.payload
