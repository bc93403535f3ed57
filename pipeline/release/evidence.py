"""Evidence beside an image: each bundle an artifact whose subject is the image, in whatever store the image is.

The artifacts are those of cosign 3, so that it and others find them. Which statements are there proves nothing by
itself: anybody who may write may delete one. So only what is found counts, never that something is not there.

Source: cosign, specs/BUNDLE_SPEC.md; Sigstore's OCI 1.1 bundle layout.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.release.bundle import MEDIA_TYPE
from pipeline.release.keyring import print_time
from runtime.digest import Digest
from runtime.errors import DigestError, StoreError
from runtime.oci.attached import Artifact, Attachable, attach_artifact, read_artifact
from runtime.oci.descriptor import Descriptor
from runtime.oci.document import DOCUMENT_LIMIT
from runtime.oci.refusal import RefusedError

CONTENT = "dev.sigstore.bundle.content"
PREDICATE = "dev.sigstore.bundle.predicateType"
CREATED = "org.opencontainers.image.created"
"""The annotations of a bundle's artifact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A bundle that is attached to an image; nothing of it has been verified.

    Args:
        artifact: as the list of referrers has it.
        bundle: its bytes; empty where it cannot be read.
        problem: why it cannot be read; empty if it can.
    """

    artifact: Descriptor
    bundle: bytes = b""
    problem: str = ""


def attach_evidence(bundle: bytes, predicate_type: str, subject: Digest, store: Attachable, *, at: int) -> Descriptor:
    """Put a bundle beside an image; putting it again changes nothing.

    Args:
        bundle: as ``to_bundle`` writes it.
        predicate_type: of its statement, for those who look for one.
        subject: the digest of the image's manifest or index, which is in the store.
        store: has the image.
        at: when the statement was made, seconds since 1970.

    Raises:
        StoreError: the image is not there, or the bundle cannot be written.
        RefusedError: the image's manifest is malformed.
    """
    notes: Mapping[str, str] = {CONTENT: "dsse-envelope", PREDICATE: predicate_type, CREATED: print_time(at)}
    blob = store.write(bundle, MEDIA_TYPE)
    return attach_artifact(Artifact(kind=MEDIA_TYPE, blobs=(blob,), annotations=notes), subject, store)


def find_evidence(subject: Digest, store: Attachable, predicate_type: str = "") -> Iterator[Found]:
    """Yield the bundles that are attached to an image, sorted by the digests of their artifacts.

    One that cannot be read is yielded with its problem: whoever may write beside an image must not hide what others
    have attached by putting rubbish there.

    Args:
        subject: the digest of the image's manifest or index.
        store: has the image.
        predicate_type: what the artifact says that the statement is; empty for all. What it really is, whoever verifies
            it sees.

    Raises:
        StoreError: the list cannot be read.
        RefusedError: the list is malformed.
    """
    for each in store.referrers(subject, artifact_type=MEDIA_TYPE):
        if predicate_type in ("", each.annotations.get(PREDICATE)):
            yield _read(each, subject, store)


def _read(listed: Descriptor, subject: Digest, store: Attachable) -> Found:
    try:
        blobs = read_artifact(listed, subject, store).blobs
        if len(blobs) != 1 or blobs[0].media_type != MEDIA_TYPE:
            return Found(artifact=listed, problem=f"artifact {listed.digest} does not hold one bundle")
        return Found(artifact=listed, bundle=store.read(blobs[0].digest, DOCUMENT_LIMIT))
    except (RefusedError, StoreError, DigestError) as error:
        return Found(artifact=listed, problem=error.message)
