"""Sign what a verification found, and put it beside the images that it was found of."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.release.attest import Statement
from pipeline.release.bundle import parse_bundle, to_bundle
from pipeline.release.evidence import attach_evidence, find_evidence
from pipeline.release.public_key import PublicKey
from pipeline.release.refusal import RefusedEvidenceError
from pipeline.release.signing import Signer, sign, verify
from pipeline.release.verdicts import Seen
from pipeline.verify.verdict import Verification
from runtime.digest import Digest
from runtime.oci.attached import AttachedLayout
from runtime.oci.image import Image
from runtime.oci.layout import Layout


def attest(result: Verification, store: Path, signer: Signer, *, version: str, clock: Callable[[], int]) -> int:
    """Sign what was found of every environment, and put it beside its image.

    A statement that the same key has signed before is not signed again.

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
    for environment in result.environments:
        seen = Seen(result=environment, image=Image.open(layout, environment.image), at=clock(), version=version)
        known = set(_known(environment.image, attached, signer.public))
        for each in seen.statements():
            if each.to_bytes() not in known:
                _attach(each, environment.image, attached, signer, seen.at)
                count += 1
    return count


def _attach(statement: Statement, image: Digest, store: AttachedLayout, signer: Signer, at: int) -> None:
    attach_evidence(to_bundle(sign(statement, signer)), statement.predicate_type, image, store, at=at)


def _known(image: Digest, store: AttachedLayout, key: PublicKey) -> Iterator[bytes]:
    """Yield what a key has signed."""
    for each in find_evidence(image, store):
        with contextlib.suppress(RefusedEvidenceError):
            if each.bundle:
                envelope = parse_bundle(each.bundle)
                verify(envelope, [key])
                yield envelope.payload
