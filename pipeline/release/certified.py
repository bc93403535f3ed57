"""Verify a statement whose bundle says by a certificate who signed it: offline, by a trust root that was given.

What certificates, logs and times are worth, the library ``sigstore`` decides. It is loaded where the first such bundle
counts, and belongs to the extra ``keyless``: own keys need nothing of it.
"""

from collections.abc import Iterable

from pipeline.release.attest import Statement
from pipeline.release.identity import Identity
from pipeline.release.refusal import Refusal, RefusedEvidenceError
from pipeline.release.signing import Envelope, Verified

EXTRA = "install Seatrial with its extra `keyless`: in its checkout, `pip install '.[keyless]'`"
"""What helps where the library is not there."""


def verify_certified(envelope: Envelope, trust_root: str, known: Iterable[Identity]) -> Verified:
    """Return what was signed, if one of the known identities signed it while its certificate was valid.

    Args:
        envelope: of a bundle with a certificate.
        trust_root: the JSON of a trusted root of Sigstore; empty for none.
        known: the identities that count.

    Raises:
        RefusedEvidenceError: there is no trust root or no library, the bundle is malformed, its certificate, entry of a
            log or time is not one that the trust root vouches for, or it is of another identity.
    """
    if not trust_root:
        message = "a certificate says who signed, and the keyring has no trust root by which it could be verified"
        hint = "`seatrial keys trust FILE` puts one into the keyring"
        raise RefusedEvidenceError(Refusal.TRUST_ROOT_MISSING, message, hint=hint)
    try:
        from pipeline.release.certificate import check_certified  # noqa: PLC0415 - loads a library of 0.4 s
    except ImportError as error:
        message = "a certificate says who signed, and the library that verifies it is not installed"
        raise RefusedEvidenceError(Refusal.KEYLESS_MISSING, message, hint=EXTRA) from error
    signed = check_certified(envelope.certified, trust_root, frozenset(known))
    return Verified(statement=Statement.parse(signed.payload), key=signed.identity, at=signed.at, until=signed.until)
