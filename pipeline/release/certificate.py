"""What a bundle's certificate, entry of a log and time stamps prove, by the library ``sigstore``: never by a network.

Source: Sigstore, "Sigstore Client Specification", section 4, "Verification"; Fulcio, docs/oid-info.md (the issuer).
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from cryptography.x509 import (
    Certificate,
    ExtensionNotFound,
    ObjectIdentifier,
    OtherName,
    RFC822Name,
    SubjectAlternativeName,
    UniformResourceIdentifier,
    UnrecognizedExtension,
)
from sigstore.errors import CertValidationError
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier
from sigstore_models.trustroot.v1 import TrustedRoot as TrustedRootForm

from pipeline.release.identity import Identity
from pipeline.release.refusal import Refusal, RefusedEvidenceError

_ISSUER = ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
"""Of whoever vouched for the subject; DER of UTF8String, unlike its older form ``….1.1``, which is not read."""

_REASONS = {
    "not enough sources of verified time": Refusal.LOG_TIME,
    "failed to verify SCT": Refusal.CERTIFICATE_LOG,
    "invalid log entry": Refusal.LOG_PROOF,
    "DSSE: invalid signature": Refusal.SIGNATURE_WRONG,
    "invalid DSSE log entry": Refusal.LOG_OTHER,
    "log entry ": Refusal.LOG_OTHER,
    "transparency log entry ": Refusal.LOG_OTHER,
    "Unsupported DSSE log entry": Refusal.LOG_OTHER,
}
"""How the library's messages begin → the code; what begins otherwise is refused too, as of another profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """What was signed by whom, and from when until when the certificate that says so was valid: seconds since 1970."""

    payload: bytes
    identity: Identity
    at: int
    until: int


class _Known:
    """Satisfies the library's ``VerificationPolicy``, which is asked once a certificate's chain is verified."""

    def __init__(self, known: AbstractSet[Identity]) -> None:
        self._known = known
        self.found: Identity | None = None

    def verify(self, cert: Certificate) -> None:
        """Do nothing if a certificate is of a known identity.

        Raises:
            RefusedEvidenceError: it is of another one, or does not say of whom.
        """
        said = identity_of(cert)
        issuers = sorted({each.issuer for each in self._known})
        if said.issuer not in issuers:
            known = ", ".join(issuers[:3]) or "nobody"
            message = f"{said.issuer!a} vouches for {said.subject!a}, and the keyring has identities of {known}"
            raise RefusedEvidenceError(Refusal.IDENTITY_ISSUER, message)
        if said not in self._known:
            hint = "`seatrial keys add NAME oidc:SUBJECT --issuer URL --role ROLE` lets an identity count"
            message = f"the keyring has no identity {said.subject!a} of {said.issuer}"
            raise RefusedEvidenceError(Refusal.IDENTITY_SUBJECT, message, hint=hint)
        self.found = said


def check_certified(raw: bytes, trust_root: str, known: AbstractSet[Identity]) -> Certified:
    """Return which identity signed what, by a bundle; see ``verify_certified``.

    Args:
        raw: the bundle, whose JSON has been found to be of one meaning.
        trust_root: the JSON of the trusted root.
        known: the identities that count.
    """
    verifier = Verifier(trusted_root=parse_trust_root(trust_root))
    policy = _Known(known)
    try:
        bundle = Bundle.from_json(raw)
    except Exception as error:  # hostile bytes: the library raises errors of many kinds
        message = f"the bundle with a certificate is malformed: {_first_line(error)}"
        raise RefusedEvidenceError(Refusal.CERTIFIED_FORM, message) from error
    try:
        _, payload = verifier.verify_dsse(bundle, policy)
    except RefusedEvidenceError:
        raise
    except Exception as error:  # likewise: a key of another kind, an extension that is missing
        raise _refused(error) from error
    certificate = bundle.signing_certificate
    since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    said = policy.found or identity_of(certificate)
    return Certified(payload=payload, identity=said, at=int(since.timestamp()), until=int(until.timestamp()))


def parse_trust_root(text: str) -> TrustedRoot:
    """Read the JSON of a trusted root, by which bundles can be verified.

    Raises:
        RefusedEvidenceError: it is none, or lacks certificates or a log.
    """
    try:
        found = TrustedRoot(TrustedRootForm.from_json(text))
        Verifier(trusted_root=found)
    except Exception as error:  # likewise
        message = f"the trust root is none that can be used: {_first_line(error)}"
        raise RefusedEvidenceError(Refusal.TRUST_ROOT_FORM, message) from error
    return found


def identity_of(certificate: Certificate) -> Identity:
    """Return who a certificate says that its holder is.

    Raises:
        RefusedEvidenceError: it names nobody, more than one, or no issuer.
    """
    extensions = certificate.extensions
    try:
        names = extensions.get_extension_for_class(SubjectAlternativeName).value
        issuer = extensions.get_extension_for_oid(_ISSUER).value
    except ExtensionNotFound as error:
        raise RefusedEvidenceError(Refusal.IDENTITY_FORM, "the certificate names nobody, or no issuer") from error
    subjects = [*names.get_values_for_type(RFC822Name), *names.get_values_for_type(UniformResourceIdentifier)]
    if len(subjects) != 1 or names.get_values_for_type(OtherName):
        message = f"the certificate names {len(subjects)} workflows and addresses of mail; one is wanted"
        raise RefusedEvidenceError(Refusal.IDENTITY_FORM, message)
    return Identity(
        subject=subjects[0], issuer=_text(issuer.value if isinstance(issuer, UnrecognizedExtension) else b"")
    )


def _text(der: bytes) -> str:
    """Return the text of a short UTF8String in DER.

    Source: ITU-T X.690, sections 8.1.3 and 8.21.
    """
    is_long = len(der) > 2 and der[1] == 0x81
    start = 3 if is_long else 2
    if len(der) <= start or der[0] != 0x0C or der[start - 1] != len(der) - start or is_long == (der[start - 1] < 128):
        raise RefusedEvidenceError(Refusal.IDENTITY_FORM, "the certificate's issuer of identities is no short text")
    return der[start:].decode(errors="replace")


def _refused(error: Exception) -> RefusedEvidenceError:
    message = _first_line(error)
    if isinstance(error, CertValidationError):
        is_late = "not valid at validation time" in message
        reason = Refusal.CERTIFICATE_TIME if is_late else Refusal.CERTIFICATE_CHAIN
        what = "was not valid when this was signed" if is_late else "is of no authority of the trust root"
        return RefusedEvidenceError(reason, f"the certificate {what}: {message}")
    reason = next((code for words, code in _REASONS.items() if message.startswith(words)), Refusal.CERTIFICATE_PROFILE)
    return RefusedEvidenceError(reason, f"what a certificate signed does not count: {message}")


def _first_line(error: Exception) -> str:
    line = next(iter(str(error).splitlines()), "") or type(error).__name__
    return "".join(each if each.isprintable() else "?" for each in line[:300])
