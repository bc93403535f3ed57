"""``Refusal``: why a piece of evidence, a key or a keyring is not accepted; every check has its own code."""

from enum import StrEnum

from pipeline.declare.errors import EvidenceError


class Refusal(StrEnum):
    """The closed list of reasons. The value is stable and may be matched by programs."""

    # documents; the first six are those of ``runtime.oci.refusal`` too
    JSON_SYNTAX = "json-syntax"
    JSON_DUPLICATE_KEY = "json-duplicate-key"
    JSON_DEPTH = "json-depth"
    JSON_NUMBER = "json-number"
    JSON_TYPE = "json-type"
    DOCUMENT_SIZE = "document-size"
    BASE64 = "base64"
    # the bundle and its envelope
    BUNDLE_MEDIA_TYPE = "bundle-media-type"
    BUNDLE_FIELD = "bundle-field"
    BUNDLE_CONTENT = "bundle-content"
    BUNDLE_MATERIAL = "bundle-material"
    BUNDLE_LOG = "bundle-log"
    PAYLOAD_TYPE = "payload-type"
    SIGNATURE_COUNT = "signature-count"
    HINT_FORM = "hint-form"
    HINT_DISAGREES = "hint-disagrees"
    HINT_OTHER_KEY = "hint-other-key"
    # what a certificate and a log say in the place of a key
    TRUST_ROOT_MISSING = "trust-root-missing"
    TRUST_ROOT_FORM = "trust-root-form"
    KEYLESS_MISSING = "keyless-missing"
    CERTIFIED_FORM = "certified-form"
    CERTIFICATE_CHAIN = "certificate-chain"
    CERTIFICATE_TIME = "certificate-time"
    CERTIFICATE_LOG = "certificate-log"
    CERTIFICATE_PROFILE = "certificate-profile"
    IDENTITY_FORM = "identity-form"
    IDENTITY_ISSUER = "identity-issuer"
    IDENTITY_SUBJECT = "identity-subject"
    LOG_COUNT = "log-count"
    LOG_PROOF = "log-proof"
    LOG_TIME = "log-time"
    LOG_OTHER = "log-other"
    # the signature
    SIGNATURE_FORM = "signature-form"
    SIGNATURE_WRONG = "signature-wrong"
    SIGNATURE_UNKNOWN = "signature-unknown"
    # the statement
    STATEMENT_TYPE = "statement-type"
    STATEMENT_FIELD = "statement-field"
    SUBJECT_COUNT = "subject-count"
    SUBJECT_FORM = "subject-form"
    SUBJECT_OTHER = "subject-other"
    PREDICATE_TYPE = "predicate-type"
    PREDICATE_OTHER = "predicate-other"
    PREDICATE_FORM = "predicate-form"
    # the suite that travels with an image
    SUITE_UNKNOWN = "suite-unknown"
    SUITE_MISSING = "suite-missing"
    SUITE_FORM = "suite-form"
    SUITE_SUBJECT = "suite-subject"
    SUITE_UNSIGNED = "suite-unsigned"
    SUITE_NORMALIZATION = "suite-normalization"
    # public keys
    KEY_FORM = "key-form"
    KEY_KIND = "key-kind"
    # keyrings
    KEYRING_FORM = "keyring-form"
    KEYRING_DUPLICATE = "keyring-duplicate"
    KEYRING_REPLACED = "keyring-replaced"
    KEYRING_ROOTS = "keyring-roots"
    KEYRING_UNTRUSTED = "keyring-untrusted"
    KEYRING_EXPIRED = "keyring-expired"
    KEYRING_OLDER = "keyring-older"
    KEYRING_CHANGED = "keyring-changed"
    # what a keyring says of a key, of a signature or of an image
    KEY_UNKNOWN = "key-unknown"
    KEY_REVOKED = "key-revoked"
    KEY_ROLE = "key-role"
    KEY_NOT_YET = "key-not-yet"
    KEY_EXPIRED = "key-expired"
    SUBJECT_REVOKED = "subject-revoked"


class RefusedEvidenceError(EvidenceError):
    """A piece of evidence, a key or a keyring holds something that is not accepted.

    Args:
        reason: which check refused it.
        message: what, where, got and want.
        hint: the next step, where there is one.
    """

    def __init__(self, reason: Refusal, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message} [{reason}]", hint=hint)
        self.reason = reason
