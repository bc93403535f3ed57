"""Bundles, statements and keys that are refused, each for its own reason; no two are equal in check and shape."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass

import evidence_world as world
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x448
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from pipeline.release.bundle import parse_bundle
from pipeline.release.public_key import PublicKey
from pipeline.release.refusal import Refusal
from pipeline.release.signing import verify


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One thing that is refused."""

    reason: Refusal
    attempt: Callable[[], object]


def accept(raw, *, trusted=(world.ALICE, world.BOB), image=world.IMAGE, kind=world.KIND):
    """Take a bundle as a gate does."""
    found = verify(parse_bundle(raw), [world.public(each) for each in trusted])
    found.statement.require(kind, image)
    return found


def _bundle(reason, change, *, whole=None, **wanted):
    """Return an attack whose bundle is changed after it was signed."""

    def attempt():
        document = world.bundle() if whole is None else whole()
        changed = change(document)
        raw = changed if isinstance(changed, bytes) else json.dumps(document if changed is None else changed).encode()
        return accept(raw, **wanted)

    return Attack(reason=reason, attempt=attempt)


def _signed(reason, payload, **wanted):
    """Return an attack whose statement is signed by a trusted key."""
    return Attack(reason=reason, attempt=lambda: accept(json.dumps(world.bundle(payload)).encode(), **wanted))


def _statement(reason, **changes):
    return _signed(reason, world.statement(**changes))


def _key(reason, pem):
    return Attack(reason=reason, attempt=lambda: PublicKey.parse(pem() if callable(pem) else pem, "the key"))


def _set(*path, to):
    def change(document):
        place = document
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = to(place[path[-1]]) if callable(to) else to

    return change


def _drop(*path):
    def change(document):
        place = document
        for part in path[:-1]:
            place = place[part]
        del place[path[-1]]

    return change


def _signature(make):
    """Return a change of the signature's bytes."""
    return _set(*SIG, to=lambda text: base64.b64encode(make(base64.b64decode(text))).decode())


def _raw(text, **changes):
    """Return a statement's JSON in which one value is text that ``json`` would not write."""
    return json.dumps(world.statement(**changes)).replace('"@"', text).encode()


def _two_hints(document):
    document["verificationMaterial"]["publicKey"]["hint"] = document["dsseEnvelope"]["signatures"][0]["keyid"] = (
        world.key_id(world.BOB)
    )


def _two(document):
    signatures = document["dsseEnvelope"]["signatures"]
    payload = base64.b64decode(document["dsseEnvelope"]["payload"])
    signature = base64.b64encode(world.signature_of(world.BOB, payload)).decode()
    signatures.append({"sig": signature, "keyid": world.key_id(world.BOB)})


def _hint(text):
    def change(document):
        document["verificationMaterial"]["publicKey"]["hint"] = text
        document["dsseEnvelope"]["signatures"][0]["keyid"] = text

    return change


def _spelled(document):
    """Return a payload of other bytes that decodes to the same: bits that are left over are set."""
    text = document["dsseEnvelope"]["payload"]
    last = text.rstrip("=")[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    cut = len(text.rstrip("=")) - 1
    document["dsseEnvelope"]["payload"] = text[:cut] + alphabet[alphabet.index(last) + 1] + text[cut + 1 :]


def _padded(value=None):
    """Return a bundle whose payload has padding, and both characters that URL-safe base64 writes otherwise."""
    payload = world.statement(predicate={"note": "\u07ff\u0fbf??>>~~"} if value is None else value)
    for fill in range(3):
        raw = json.dumps(payload, ensure_ascii=False).encode() + b" " * fill
        if len(raw) % 3 == 1:
            return world.bundle(raw)
    raise AssertionError


def _minimal(document):
    return json.dumps(document)


def _twice(old):
    return lambda document: _minimal(document).replace(old, f"{old}, {old}", 1).encode()


def _unpae(document):
    payload = base64.b64decode(document["dsseEnvelope"]["payload"])
    signature = world.ALICE.sign(payload, ec.ECDSA(world.SHA256()))
    document["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(signature).decode()


def _other_type(document):
    payload = base64.b64decode(document["dsseEnvelope"]["payload"])
    signature = world.signature_of(world.ALICE, payload, "text/plain")
    document["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(signature).decode()


def _add_subject(document):
    payload = json.loads(base64.b64decode(document["dsseEnvelope"]["payload"]))
    payload["subject"].append({"name": "web", "digest": {"sha256": world.OTHER.hex}})
    document["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()


def _replayed(document):
    other = world.bundle(world.statement(predicate={"verdict": "FAILED"}))
    document["dsseEnvelope"]["payload"] = other["dsseEnvelope"]["payload"]


def _by_mallory(document):
    payload = base64.b64decode(document["dsseEnvelope"]["payload"])
    signature = world.signature_of(world.MALLORY, payload)
    document["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(signature).decode()


def _long_form(signature):
    """Return the same numbers in BER: a length that needs one byte in two."""
    return bytes([signature[0], 0x81]) + signature[1:]


def _plain_numbers(signature):
    one, two = decode_dss_signature(signature)
    return one.to_bytes(32, "big") + two.to_bytes(32, "big")


def _subject(**changes):
    return [{"name": "web", "digest": {"sha256": world.IMAGE.hex}} | changes]


def _public(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


MATERIAL = ("verificationMaterial",)
ENVELOPE = ("dsseEnvelope",)
SIG = ("dsseEnvelope", "signatures", 0, "sig")
NESTED = '{"a":' * 40 + "1" + "}" * 40

ATTACKS = {
    # documents
    "bundle_cut_off": _bundle(Refusal.JSON_SYNTAX, lambda document: _minimal(document)[:-1].encode()),
    "bundle_followed_by_another": _bundle(Refusal.JSON_SYNTAX, lambda document: (_minimal(document) * 2).encode()),
    "bundle_in_utf16": _bundle(Refusal.JSON_SYNTAX, lambda document: _minimal(document).encode("utf-16")),
    "statement_not_json": _signed(Refusal.JSON_SYNTAX, b"PASSED"),
    "bundle_with_payload_type_twice": _bundle(
        Refusal.JSON_DUPLICATE_KEY, _twice('"payloadType": "application/vnd.in-toto+json"')
    ),
    "statement_with_predicate_twice": _signed(
        Refusal.JSON_DUPLICATE_KEY, json.dumps(world.statement()).replace("{", '{"predicate": {}, ', 1).encode()
    ),
    "predicate_with_verdict_twice": _signed(Refusal.JSON_DUPLICATE_KEY, _raw('1, "a": 2', predicate={"a": "@"})),
    "bundle_nested": _bundle(
        Refusal.JSON_DEPTH, lambda document: _minimal(document | {"x": "@"}).replace('"@"', NESTED).encode()
    ),
    "predicate_nested": _signed(Refusal.JSON_DEPTH, _raw(NESTED, predicate={"a": "@"})),
    "predicate_with_fraction": _signed(Refusal.JSON_NUMBER, _raw("1.0", predicate={"a": "@"})),
    "predicate_with_exponent": _signed(Refusal.JSON_NUMBER, _raw("1e2", predicate={"a": "@"})),
    "predicate_with_infinity": _signed(Refusal.JSON_NUMBER, _raw("Infinity", predicate={"a": "@"})),
    "predicate_with_long_number": _signed(Refusal.JSON_NUMBER, _raw("1" * 5000, predicate={"a": "@"})),
    "bundle_as_list": _bundle(Refusal.JSON_TYPE, lambda document: [document]),
    "envelope_as_text": _bundle(Refusal.JSON_TYPE, _set(*ENVELOPE, to="…")),
    "payload_as_object": _bundle(Refusal.JSON_TYPE, _set(*ENVELOPE, "payload", to={})),
    "signatures_as_text": _bundle(Refusal.JSON_TYPE, _set(*ENVELOPE, "signatures", to="")),
    "hint_as_number": _bundle(Refusal.JSON_TYPE, _set(*MATERIAL, "publicKey", "hint", to=7)),
    "statement_as_list": _signed(Refusal.JSON_TYPE, b"[]"),
    "subject_as_object": _statement(Refusal.JSON_TYPE, subject={"digest": {}}),
    "subject_null": _statement(Refusal.JSON_TYPE, subject=[None, *_subject()]),
    "predicate_type_as_list": _statement(Refusal.JSON_TYPE, predicateType=[world.KIND]),
    "bundle_too_large": _bundle(Refusal.DOCUMENT_SIZE, lambda document: _minimal(document).encode() + b" " * (4 << 20)),
    # base64
    "payload_url_safe": _bundle(
        Refusal.BASE64,
        _set(*ENVELOPE, "payload", to=lambda text: text.replace("+", "-").replace("/", "_")),
        whole=_padded,
    ),
    "payload_without_padding": _bundle(
        Refusal.BASE64, _set(*ENVELOPE, "payload", to=lambda text: text.rstrip("=")), whole=_padded
    ),
    "payload_in_lines": _bundle(
        Refusal.BASE64, _set(*ENVELOPE, "payload", to=lambda text: text[:64] + "\n" + text[64:])
    ),
    "payload_spelled_otherwise": _bundle(Refusal.BASE64, _spelled, whole=_padded),
    "signature_with_letters_of_others": _bundle(Refusal.BASE64, _set(*SIG, to=lambda text: "\uff21" + text[1:])),
    # the bundle
    "bundle_of_version_2": _bundle(
        Refusal.BUNDLE_MEDIA_TYPE, _set("mediaType", to="application/vnd.dev.sigstore.bundle+json;version=0.2")
    ),
    "bundle_without_type": _bundle(Refusal.BUNDLE_MEDIA_TYPE, _drop("mediaType")),
    "bundle_type_in_capitals": _bundle(Refusal.BUNDLE_MEDIA_TYPE, _set("mediaType", to=str.upper)),
    "bundle_with_unknown_key": _bundle(Refusal.BUNDLE_FIELD, lambda document: document | {"verdict": "PASSED"}),
    "bundle_without_envelope": _bundle(Refusal.BUNDLE_FIELD, _drop(*ENVELOPE)),
    "envelope_with_unknown_key": _bundle(
        Refusal.BUNDLE_FIELD, lambda document: document["dsseEnvelope"].update(cert="…")
    ),
    "material_with_unknown_key": _bundle(
        Refusal.BUNDLE_FIELD, lambda document: document["verificationMaterial"].update(x=1)
    ),
    "public_key_with_bytes": _bundle(
        Refusal.BUNDLE_FIELD, lambda document: document["verificationMaterial"]["publicKey"].update(rawBytes="…")
    ),
    "signature_without_keyid": _bundle(Refusal.BUNDLE_FIELD, _drop("dsseEnvelope", "signatures", 0, "keyid")),
    "signature_with_certificate": _bundle(
        Refusal.BUNDLE_FIELD, lambda document: document["dsseEnvelope"]["signatures"][0].update(cert="…")
    ),
    "bundle_of_a_file": _bundle(Refusal.BUNDLE_CONTENT, lambda document: document | {"messageSignature": {}}),
    "chain_of_certificates": _bundle(
        Refusal.BUNDLE_MATERIAL, _set(*MATERIAL, to={"x509CertificateChain": {"certificates": []}, "tlogEntries": []})
    ),
    "material_missing_its_key": _bundle(Refusal.BUNDLE_MATERIAL, _drop(*MATERIAL, "publicKey")),
    "material_as_list": _bundle(Refusal.BUNDLE_MATERIAL, _set(*MATERIAL, to=["publicKey"])),
    "entry_of_a_log": _bundle(Refusal.BUNDLE_LOG, _set(*MATERIAL, "tlogEntries", to=[{"logIndex": "1"}])),
    "time_stamp": _bundle(
        Refusal.BUNDLE_LOG,
        lambda document: document["verificationMaterial"].update(timestampVerificationData={"x": []}),
    ),
    "payload_of_another_type": _bundle(Refusal.PAYLOAD_TYPE, _set(*ENVELOPE, "payloadType", to="application/json")),
    "payload_type_of_one_predicate": _bundle(
        Refusal.PAYLOAD_TYPE, _set(*ENVELOPE, "payloadType", to="application/vnd.in-toto.vsa+json")
    ),
    "no_signature": _bundle(Refusal.SIGNATURE_COUNT, _set(*ENVELOPE, "signatures", to=[])),
    "two_signatures": _bundle(Refusal.SIGNATURE_COUNT, _two),
    "one_signature_twice": _bundle(Refusal.SIGNATURE_COUNT, _set(*ENVELOPE, "signatures", to=lambda each: each * 2)),
    "hint_empty": _bundle(Refusal.HINT_FORM, _hint("")),
    "hint_with_escapes": _bundle(Refusal.HINT_FORM, _hint("\x1b[2J")),
    "hint_without_end": _bundle(Refusal.HINT_FORM, _hint("a" * 201)),
    "keyid_of_another": _bundle(
        Refusal.HINT_DISAGREES, _set("dsseEnvelope", "signatures", 0, "keyid", to=world.key_id(world.BOB))
    ),
    "hint_of_another": _bundle(
        Refusal.HINT_DISAGREES, _set(*MATERIAL, "publicKey", "hint", to=world.key_id(world.MALLORY))
    ),
    "both_hints_of_another_trusted_key": _bundle(Refusal.HINT_OTHER_KEY, _two_hints),
    "both_hints_of_nobody": _bundle(Refusal.HINT_OTHER_KEY, _hint("nobody")),
    # the signature
    "signature_as_two_numbers": _bundle(Refusal.SIGNATURE_FORM, _signature(_plain_numbers)),
    "signature_followed_by_a_byte": _bundle(Refusal.SIGNATURE_FORM, _signature(lambda signature: signature + b"\0")),
    "signature_in_long_form": _bundle(Refusal.SIGNATURE_FORM, _signature(_long_form)),
    "signature_cut_off": _bundle(Refusal.SIGNATURE_FORM, _signature(lambda signature: signature[:-1])),
    "signature_of_nothing": _bundle(Refusal.SIGNATURE_FORM, _signature(lambda _: b"")),
    "signature_of_zeros": _bundle(Refusal.SIGNATURE_FORM, _signature(lambda _: encode_dss_signature(0, 0))),
    "signature_of_ed25519_with_63_bytes": _bundle(
        Refusal.SIGNATURE_FORM, _signature(lambda signature: signature[:-1]), whole=lambda: world.bundle(key=world.BOB)
    ),
    "payload_changed": _bundle(
        Refusal.SIGNATURE_WRONG,
        _set(*ENVELOPE, "payload", to=lambda text: base64.b64encode(base64.b64decode(text) + b" ").decode()),
    ),
    "subject_added": _bundle(Refusal.SIGNATURE_WRONG, _add_subject, image=world.OTHER),
    "payload_of_another_bundle": _bundle(Refusal.SIGNATURE_WRONG, _replayed),
    "payload_signed_without_its_type": _bundle(Refusal.SIGNATURE_WRONG, _unpae),
    "payload_signed_as_another_type": _bundle(Refusal.SIGNATURE_WRONG, _other_type),
    "signature_of_an_unknown_key_in_a_known_name": _bundle(Refusal.SIGNATURE_WRONG, _by_mallory),
    "signature_of_an_unknown_key": _bundle(
        Refusal.SIGNATURE_UNKNOWN, lambda _: None, whole=lambda: world.bundle(key=world.MALLORY)
    ),
    "nobody_is_trusted": _bundle(Refusal.SIGNATURE_UNKNOWN, lambda _: None, trusted=()),
    # the statement
    "statement_of_version_0": _statement(Refusal.STATEMENT_TYPE, _type="https://in-toto.io/Statement/v0.1"),
    "statement_of_no_type": _statement(Refusal.STATEMENT_TYPE, _type=None),
    "statement_with_unknown_key": _statement(Refusal.STATEMENT_FIELD, verdict="PASSED"),
    "statement_without_predicate": _signed(
        Refusal.STATEMENT_FIELD, {key: item for key, item in world.statement().items() if key != "predicate"}
    ),
    "no_subject": _statement(Refusal.SUBJECT_COUNT, subject=[]),
    "subjects_without_end": _statement(Refusal.SUBJECT_COUNT, subject=_subject() * 1025),
    "subject_with_unknown_key": _statement(Refusal.SUBJECT_FORM, subject=_subject(trusted=True)),
    "subject_without_digest": _statement(Refusal.SUBJECT_FORM, subject=[{"name": "web"}]),
    "subject_of_another_hash": _statement(Refusal.SUBJECT_FORM, subject=_subject(digest={"sha1": "0" * 40})),
    "subject_in_capitals": _statement(
        Refusal.SUBJECT_FORM, subject=_subject(digest={"sha256": world.IMAGE.hex.upper()})
    ),
    "subject_with_prefix": _statement(Refusal.SUBJECT_FORM, subject=_subject(digest={"sha256": world.IMAGE.text})),
    "subject_with_digests_without_end": _statement(
        Refusal.SUBJECT_FORM,
        subject=_subject(digest={"sha256": world.IMAGE.hex} | {f"x{number}": "0" for number in range(32)}),
    ),
    "subject_with_digest_as_text": _statement(Refusal.SUBJECT_FORM, subject=_subject(digest=world.IMAGE.text)),
    "another_image": _signed(Refusal.SUBJECT_OTHER, world.statement(), image=world.OTHER),
    "image_in_the_name_alone": _statement(
        Refusal.SUBJECT_OTHER, subject=[{"name": world.IMAGE.text, "digest": {"sha256": world.OTHER.hex}}]
    ),
    "predicate_type_empty": _statement(Refusal.PREDICATE_TYPE, predicateType=""),
    "predicate_type_with_line_feed": _statement(Refusal.PREDICATE_TYPE, predicateType=world.KIND + "\nx"),
    "another_predicate": _signed(Refusal.PREDICATE_OTHER, world.statement(), kind="https://slsa.dev/provenance/v1"),
    "predicate_type_with_a_slash_more": _statement(Refusal.PREDICATE_OTHER, predicateType=world.KIND + "/"),
    "predicate_as_list": _statement(Refusal.PREDICATE_FORM, predicate=[]),
    "predicate_null": _statement(Refusal.PREDICATE_FORM, predicate=None),
    # keys
    "key_of_nothing": _key(Refusal.KEY_FORM, b""),
    "two_keys": _key(Refusal.KEY_FORM, world.pem(world.ALICE) + world.pem(world.BOB)),
    "key_after_words": _key(Refusal.KEY_FORM, b"trust me\n" + world.pem(world.ALICE)),
    "key_before_words": _key(Refusal.KEY_FORM, world.pem(world.ALICE) + b"trust me\n"),
    "key_cut_off": _key(Refusal.KEY_FORM, lambda: world.pem(world.ALICE).replace(b"MFkw", b"MFk")),
    "key_after_space_without_end": _key(Refusal.KEY_FORM, b" " * 5000 + world.pem(world.ALICE)),
    "private_key": _key(Refusal.KEY_FORM, world.ALICE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())),
    "key_of_rsa": _key(Refusal.KEY_KIND, lambda: _public(rsa.generate_private_key(65537, 2048))),
    "key_of_another_curve": _key(Refusal.KEY_KIND, lambda: _public(ec.generate_private_key(ec.SECP384R1()))),
    "key_of_a_curve_of_the_same_length": _key(
        Refusal.KEY_KIND, lambda: _public(ec.generate_private_key(ec.SECP256K1()))
    ),
    "key_that_cannot_sign": _key(Refusal.KEY_KIND, lambda: _public(x448.X448PrivateKey.generate())),
}
"""Name → what is tried and the reason for which it is refused."""
