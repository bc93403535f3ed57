"""Sigstore bundles, version 0.3: with an own public key, or with a certificate and an entry of a log.

The file is one that others verify too.

Source: sigstore/protobuf-specs, sigstore_bundle.proto and sigstore_common.proto, "PublicKeyIdentifier".
"""

import re
from collections.abc import Mapping

from pipeline.release.attest import Statement
from pipeline.release.documents import (
    decode_base64,
    encode_base64,
    parse_object,
    require_fields,
    require_items,
    require_text,
)
from pipeline.release.refusal import Refusal, RefusedEvidenceError
from pipeline.release.signing import PAYLOAD_TYPE, AnySigner, Certifying, Envelope, sign
from runtime.canonical import Json, to_canonical_json

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"

_HINT = re.compile(r"[A-Za-z0-9+/=_.:@-]{1,200}", re.ASCII)


def signed_bundle(statement: Statement, signer: AnySigner) -> bytes:
    """Sign a statement, and return the bundle.

    Raises:
        RefusedEvidenceError: nobody would accept the statement.
        KeysError: whoever holds the key refuses, or whoever vouches for an identity.
    """
    return signer.certify(statement) if isinstance(signer, Certifying) else to_bundle(sign(statement, signer))


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
        RefusedEvidenceError: it is malformed, of another kind, or says of a key what a key alone does not prove.
    """
    document = parse_object(raw, "the bundle")
    if document.get("mediaType") != MEDIA_TYPE:
        kind = document.get("mediaType")
        raise RefusedEvidenceError(Refusal.BUNDLE_MEDIA_TYPE, f"the bundle is {kind!a}, not {MEDIA_TYPE}")
    if "messageSignature" in document:
        raise RefusedEvidenceError(Refusal.BUNDLE_CONTENT, "the bundle signs a file, not a statement")
    parts = ("mediaType", "verificationMaterial", "dsseEnvelope")
    found = require_fields(document, "the bundle", Refusal.BUNDLE_FIELD, required=parts)
    material = found["verificationMaterial"]
    if isinstance(material, Mapping) and "certificate" in material:
        _require_certified(material)
        return _envelope(found["dsseEnvelope"], certified=raw)
    hint = _hint(material)
    envelope = _envelope(found["dsseEnvelope"])
    if envelope.hint != hint:
        message = f"the bundle's hint is {hint}, its envelope's keyid {envelope.hint}; they have to be the same"
        raise RefusedEvidenceError(Refusal.HINT_DISAGREES, message)
    return envelope


def _hint(value: Json) -> str:
    what = "verificationMaterial"
    if not isinstance(value, Mapping) or "publicKey" not in value:
        message = f"{what} names no public key and no certificate"
        raise RefusedEvidenceError(Refusal.BUNDLE_MATERIAL, message)
    if value.get("tlogEntries") or value.get("timestampVerificationData"):
        message = f"{what} has entries of a log or time stamps, which nobody would check here"
        raise RefusedEvidenceError(Refusal.BUNDLE_LOG, message)
    known = ("tlogEntries", "timestampVerificationData")
    found = require_fields(value, what, Refusal.BUNDLE_FIELD, required=("publicKey",), optional=known)
    key = require_fields(found["publicKey"], "publicKey", Refusal.BUNDLE_FIELD, required=("hint",))
    return _form_of_hint(key["hint"], "the hint")


def _require_certified(material: Mapping[str, Json]) -> None:
    """Do nothing if there is one certificate and one entry of a log; whether they hold, ``verify_certified`` sees."""
    required, what = ("certificate", "tlogEntries"), "verificationMaterial"
    optional = ("timestampVerificationData",)
    found = require_fields(material, what, Refusal.BUNDLE_FIELD, required=required, optional=optional)
    entries = require_items(found["tlogEntries"], "tlogEntries")
    if len(entries) != 1:
        message = f"the bundle has a certificate and {len(entries)} entries of a log; one is wanted"
        raise RefusedEvidenceError(Refusal.LOG_COUNT, message)


def _envelope(value: Json, certified: bytes = b"") -> Envelope:
    parts = ("payload", "payloadType", "signatures")
    found = require_fields(value, "dsseEnvelope", Refusal.BUNDLE_FIELD, required=parts)
    if found["payloadType"] != PAYLOAD_TYPE:
        message = f"payloadType is {found['payloadType']!a}, not {PAYLOAD_TYPE}"
        raise RefusedEvidenceError(Refusal.PAYLOAD_TYPE, message)
    signatures = require_items(found["signatures"], "signatures")
    if len(signatures) != 1:
        message = f"the envelope has {len(signatures)} signatures; a bundle has one"
        raise RefusedEvidenceError(Refusal.SIGNATURE_COUNT, message)
    own, more = (("sig",), ("keyid",)) if certified else (("sig", "keyid"), ())
    signed = require_fields(signatures[0], "the signature", Refusal.BUNDLE_FIELD, required=own, optional=more)
    is_named = not certified or signed.get("keyid", "") != ""
    return Envelope(
        payload=decode_base64(found["payload"], "payload"),
        hint=_form_of_hint(signed["keyid"], "keyid") if is_named else "",
        signature=decode_base64(signed["sig"], "sig"),
        certified=certified,
    )


def _form_of_hint(value: Json, what: str) -> str:
    hint = require_text(value, what)
    if not _HINT.fullmatch(hint):
        raise RefusedEvidenceError(Refusal.HINT_FORM, f"{what} is {hint[:80]!a}, which no key is called")
    return hint
