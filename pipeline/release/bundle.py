"""Sigstore bundles, version 0.3, with an own public key: the file that others verify too.

Source: sigstore/protobuf-specs, sigstore_bundle.proto and sigstore_common.proto, "PublicKeyIdentifier".
"""

import re
from collections.abc import Mapping

from pipeline.release.documents import (
    decode_base64,
    encode_base64,
    parse_object,
    require_fields,
    require_items,
    require_text,
)
from pipeline.release.refusal import Refusal, RefusedEvidenceError
from pipeline.release.signing import PAYLOAD_TYPE, Envelope
from runtime.canonical import Json, to_canonical_json

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"

_HINT = re.compile(r"[A-Za-z0-9+/=_.:@-]{1,200}", re.ASCII)


def to_bundle(envelope: Envelope) -> bytes:
    """Return the canonical JSON of a bundle. It has one signature: what n signers sign has n bundles.

    The key's id stands in it twice, as the hint and as the envelope's: verifiers want the one or the other, and the
    specification that they are the same.
    """
    signature: Json = {"sig": encode_base64(envelope.signature), "keyid": envelope.hint}
    return to_canonical_json(
        {
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": {"publicKey": {"hint": envelope.hint}, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": encode_base64(envelope.payload),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [signature],
            },
        }
    )


def parse_bundle(raw: bytes) -> Envelope:
    """Read a bundle, of which nothing is trusted yet.

    Raises:
        RefusedEvidenceError: it is malformed, of another kind, or says what a key alone does not prove.
    """
    document = parse_object(raw, "the bundle")
    if document.get("mediaType") != MEDIA_TYPE:
        kind = document.get("mediaType")
        raise RefusedEvidenceError(Refusal.BUNDLE_MEDIA_TYPE, f"the bundle is {kind!a}, not {MEDIA_TYPE}")
    if "messageSignature" in document:
        raise RefusedEvidenceError(Refusal.BUNDLE_CONTENT, "the bundle signs a file, not a statement")
    parts = ("mediaType", "verificationMaterial", "dsseEnvelope")
    found = require_fields(document, "the bundle", Refusal.BUNDLE_FIELD, required=parts)
    hint = _hint(found["verificationMaterial"])
    envelope = _envelope(found["dsseEnvelope"])
    if envelope.hint != hint:
        message = f"the bundle's hint is {hint}, its envelope's keyid {envelope.hint}; they have to be the same"
        raise RefusedEvidenceError(Refusal.HINT_DISAGREES, message)
    return envelope


def _hint(value: Json) -> str:
    what = "verificationMaterial"
    if not isinstance(value, Mapping) or "publicKey" not in value:
        message = f"{what} names no public key; certificates are not accepted here"
        raise RefusedEvidenceError(Refusal.BUNDLE_MATERIAL, message)
    if value.get("tlogEntries") or value.get("timestampVerificationData"):
        message = f"{what} has entries of a log or time stamps, which nobody would check here"
        raise RefusedEvidenceError(Refusal.BUNDLE_LOG, message)
    known = ("tlogEntries", "timestampVerificationData")
    found = require_fields(value, what, Refusal.BUNDLE_FIELD, required=("publicKey",), optional=known)
    key = require_fields(found["publicKey"], "publicKey", Refusal.BUNDLE_FIELD, required=("hint",))
    return _form_of_hint(key["hint"], "the hint")


def _envelope(value: Json) -> Envelope:
    parts = ("payload", "payloadType", "signatures")
    found = require_fields(value, "dsseEnvelope", Refusal.BUNDLE_FIELD, required=parts)
    if found["payloadType"] != PAYLOAD_TYPE:
        message = f"payloadType is {found['payloadType']!a}, not {PAYLOAD_TYPE}"
        raise RefusedEvidenceError(Refusal.PAYLOAD_TYPE, message)
    signatures = require_items(found["signatures"], "signatures")
    if len(signatures) != 1:
        message = f"the envelope has {len(signatures)} signatures; a bundle has one"
        raise RefusedEvidenceError(Refusal.SIGNATURE_COUNT, message)
    signed = require_fields(signatures[0], "the signature", Refusal.BUNDLE_FIELD, required=("sig", "keyid"))
    return Envelope(
        payload=decode_base64(found["payload"], "payload"),
        hint=_form_of_hint(signed["keyid"], "keyid"),
        signature=decode_base64(signed["sig"], "sig"),
    )


def _form_of_hint(value: Json, what: str) -> str:
    hint = require_text(value, what)
    if not _HINT.fullmatch(hint):
        raise RefusedEvidenceError(Refusal.HINT_FORM, f"{what} is {hint[:80]!a}, which no key is called")
    return hint
