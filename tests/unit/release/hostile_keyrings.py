"""Keyrings that are refused, and what a keyring refuses; a helper signs them by hand."""

import base64
import json

import evidence_world as world
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hostile_evidence import Attack

from pipeline.declare.keyring_file import Role
from pipeline.release.identity import Identity
from pipeline.release.keyring_file import Trust, open_keyring
from pipeline.release.refusal import Refusal
from runtime.canonical import to_canonical_json
from runtime.digest import Digest

ROOT = ec.derive_private_key(0x2007, ec.SECP256R1())
SECOND = ec.derive_private_key(0x2008, ec.SECP256R1())
WORKFLOW = Identity(subject="https://github.com/acme/web/ci.yml@refs/heads/main", issuer="https://issuer.example")
NOW = 1_800_000_000  # 2027-01-15T08:00:00Z
TRUST = Trust(roots=frozenset({world.key_id(ROOT)}))
KIND = "application/vnd.seatrial.keyring.v1+json"


def encoded(key, form=PublicFormat.SubjectPublicKeyInfo, encoding=Encoding.DER):
    return base64.b64encode(key.public_key().public_bytes(encoding, form)).decode()


def entry(name="alice", key=world.ALICE, **changes):
    return {
        "name": name,
        "public": encoded(key),
        "roles": ["verifier"],
        "from": "2027-01-01T00:00:00Z",
        "until": "2028-01-01T00:00:00Z",
    } | changes


def keyring(**changes):
    return {
        "seatrial": 1,
        "version": 3,
        "expires": "2027-06-01T00:00:00Z",
        "roots": {"threshold": 1, "keys": [encoded(ROOT)]},
        "keys": [entry(), entry("bob", world.BOB, roles=["builder", "verifier"])],
        "revoked": [],
    } | changes


def identity(name="workflow", **changes):
    return {
        "name": name,
        "identity": WORKFLOW.subject,
        "issuer": WORKFLOW.issuer,
        "roles": ["verifier"],
        "from": "2027-01-01T00:00:00Z",
        "until": "2028-01-01T00:00:00Z",
    } | changes


def signed(part=None, roots=(ROOT,), kind=KIND):
    """Return the bytes of a keyring's file."""
    part = keyring() if part is None else part
    raw = to_canonical_json(part)
    signatures = [
        {"keyid": world.key_id(each), "sig": base64.b64encode(world.signature_of(each, raw, kind)).decode()}
        for each in roots
    ]
    return json.dumps({"keyring": part, "signatures": signatures}).encode()


def opened(raw=None, trust=TRUST, now=NOW):
    return open_keyring(signed() if raw is None else raw, trust, now)


def _file(reason, raw=None, **wanted):
    return Attack(reason=reason, attempt=lambda: opened(raw, **wanted))


def _part(reason, by=(ROOT,), **changes):
    return _file(reason, signed(keyring(**changes), by))


def _use(reason, key=world.ALICE, role=Role.VERIFIER, at=NOW, **changes):
    """Return an attack by a signature of a key whose keyring is trusted."""
    raw = signed(keyring(**changes))
    who = key if isinstance(key, Identity) else world.public(key)
    return Attack(reason=reason, attempt=lambda: opened(raw).keyring.holder(who, [role], at))


def _revoked(what):
    return {"what": what, "at": "2027-01-10T00:00:00Z", "reason": "lost"}


def _edited(old, new):
    return signed().replace(old, new)


def _wrong_keyid():
    document = json.loads(signed(roots=(world.MALLORY,)))
    document["signatures"][0]["keyid"] = world.key_id(ROOT)
    return json.dumps(document).encode()


def _twice_signed():
    """Return a keyring for two roots that one of them has signed twice, the second time in the other's name."""
    part = keyring(roots={"threshold": 2, "keys": [encoded(ROOT), encoded(SECOND)]})
    document = json.loads(signed(part, (ROOT, ROOT)))
    document["signatures"][1]["keyid"] = world.key_id(SECOND)
    return json.dumps(document).encode()


TWO_ROOTS = {"threshold": 2, "keys": [encoded(ROOT), encoded(SECOND)]}
CURRENT = Digest.of(to_canonical_json(keyring()))

KEYRING_ATTACKS = {
    "keyring_with_unknown_key": _part(Refusal.KEYRING_FORM, trusted=True),
    "keyring_of_format_2": _part(Refusal.KEYRING_FORM, seatrial=2),
    "keyring_without_roots": _part(Refusal.KEYRING_FORM, roots={"threshold": 1, "keys": []}),
    "keyring_of_no_threshold": _part(Refusal.KEYRING_FORM, (), roots={"threshold": 0, "keys": [encoded(ROOT)]}),
    "keyring_with_unknown_role": _part(Refusal.KEYRING_FORM, keys=[entry(roles=["root"])]),
    "keyring_with_key_of_no_role": _part(Refusal.KEYRING_FORM, keys=[entry(roles=[])]),
    "keyring_with_key_without_end": _part(Refusal.KEYRING_FORM, keys=[entry(until=None)]),
    "keyring_with_time_elsewhere": _part(Refusal.KEYRING_FORM, expires="2027-06-01T00:00:00+02:00"),
    "keyring_with_month_13": _part(Refusal.KEYRING_FORM, expires="2027-13-01T00:00:00Z"),
    "keyring_with_version_as_text": _part(Refusal.KEYRING_FORM, version="3"),
    "keyring_key_twice_in_json": _file(
        Refusal.JSON_DUPLICATE_KEY, _edited(b'"revoked": []', b'"revoked": [], "revoked": []')
    ),
    "keyring_with_a_place_that_nobody_took": _part(
        Refusal.KEYRING_REPLACED, keys=[entry(**{"replaced-by": "nobody"})]
    ),
    "keyring_with_a_key_in_its_own_place": _part(Refusal.KEYRING_REPLACED, keys=[entry(**{"replaced-by": "alice"})]),
    "keyring_with_a_place_that_was_taken_twice_over": _part(
        Refusal.KEYRING_REPLACED,
        keys=[
            entry(**{"replaced-by": "bob"}),
            entry("bob", world.BOB, **{"replaced-by": "eve"}),
            entry("eve", world.MALLORY),
        ],
    ),
    "keyring_with_one_name_twice": _part(Refusal.KEYRING_DUPLICATE, keys=[entry(), entry(key=world.BOB)]),
    "keyring_with_one_key_of_two_names": _part(Refusal.KEYRING_DUPLICATE, keys=[entry(), entry("another")]),
    "keyring_with_one_identity_of_two_names": _part(
        Refusal.KEYRING_DUPLICATE, identities=[identity(), identity("another")]
    ),
    "keyring_with_key_and_identity_of_one_name": _part(Refusal.KEYRING_DUPLICATE, identities=[identity("alice")]),
    "keyring_with_identity_of_no_issuer": _part(Refusal.KEYRING_FORM, identities=[identity(issuer="")]),
    "keyring_with_issuer_that_has_a_fragment": _part(
        Refusal.KEYRING_FORM, identities=[identity(issuer="https://issuer.example#a")]
    ),
    "keyring_with_trust_root_as_text": _part(Refusal.KEYRING_FORM, **{"trust-root": "trusted_root.json"}),
    "identity_in_no_keyring": _use(Refusal.KEY_UNKNOWN, key=WORKFLOW),
    "identity_of_another_issuer": _use(
        Refusal.KEY_UNKNOWN, key=WORKFLOW, identities=[identity(issuer="https://another.example")]
    ),
    "revoked_identity": _use(
        Refusal.KEY_REVOKED, key=WORKFLOW, identities=[identity()], revoked=[_revoked(WORKFLOW.id)]
    ),
    "identity_of_another_role": _use(
        Refusal.KEY_ROLE, key=WORKFLOW, identities=[identity(roles=["builder"])]
    ),
    "identity_after_its_time": _use(
        Refusal.KEY_EXPIRED, key=WORKFLOW, identities=[identity(until="2027-01-14T00:00:00Z")]
    ),
    "keyring_with_one_root_twice": _part(
        Refusal.KEYRING_DUPLICATE, roots={"threshold": 2, "keys": [encoded(ROOT), encoded(ROOT)]}
    ),
    "keyring_with_garbage_for_a_key": _part(Refusal.KEY_FORM, keys=[entry(public="A" * 120)]),
    "keyring_with_a_point_in_short_form": _part(
        Refusal.KEY_FORM,
        keys=[
            entry(
                public=base64.b64encode(
                    bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
                    + world.ALICE.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
                ).decode()
            )
        ],
    ),
    "keyring_with_a_key_of_another_curve": _part(
        Refusal.KEY_KIND, keys=[entry(key=ec.derive_private_key(7, ec.SECP384R1()))]
    ),
    "keyring_that_nobody_signed": _file(Refusal.KEYRING_ROOTS, signed(roots=())),
    "keyring_signed_by_no_root": _file(Refusal.KEYRING_ROOTS, signed(roots=(world.MALLORY,))),
    "keyring_signed_in_the_name_of_a_root": _file(Refusal.KEYRING_ROOTS, _wrong_keyid()),
    "keyring_changed_after_signing": _file(Refusal.KEYRING_ROOTS, _edited(b'"verifier"', b'"promoter"')),
    "keyring_signed_as_a_statement": _file(Refusal.KEYRING_ROOTS, signed(kind="application/vnd.in-toto+json")),
    "keyring_signed_by_one_of_two": _file(Refusal.KEYRING_ROOTS, signed(keyring(roots=TWO_ROOTS), (SECOND,))),
    "keyring_signed_twice_by_one_of_two": _file(Refusal.KEYRING_ROOTS, _twice_signed()),
    "keyring_of_other_roots": _file(
        Refusal.KEYRING_UNTRUSTED,
        signed(keyring(roots={"threshold": 1, "keys": [encoded(world.MALLORY)]}), (world.MALLORY,)),
    ),
    "keyring_of_other_roots_beside_the_trusted_one": _file(
        Refusal.KEYRING_UNTRUSTED,
        signed(keyring(roots={"threshold": 1, "keys": [encoded(ROOT), encoded(world.MALLORY)]}), (world.MALLORY,)),
    ),
    "keyring_of_one_trusted_root_of_two": _file(
        Refusal.KEYRING_UNTRUSTED,
        signed(keyring(roots={"threshold": 1, "keys": [encoded(ROOT), encoded(SECOND)]})),
        trust=Trust(roots=frozenset({world.key_id(ROOT), world.key_id(SECOND)}), threshold=2),
    ),
    "keyring_expired": _file(Refusal.KEYRING_EXPIRED, now=NOW + 200 * 86_400),
    "keyring_that_expires_now": _part(Refusal.KEYRING_EXPIRED, expires="2027-01-15T08:00:00Z"),
    "keyring_older_than_seen": _file(
        Refusal.KEYRING_OLDER, trust=Trust(roots=TRUST.roots, version=4, digest=Digest.of(b"the newer one"))
    ),
    "keyring_of_two_contents": _file(
        Refusal.KEYRING_CHANGED,
        signed(keyring(keys=[entry()])),
        trust=Trust(roots=TRUST.roots, version=3, digest=CURRENT),
    ),
    "signer_who_is_unknown": _use(Refusal.KEY_UNKNOWN, key=world.MALLORY),
    "signer_who_is_a_root_alone": _use(Refusal.KEY_UNKNOWN, key=ROOT),
    "signer_who_is_revoked": _use(Refusal.KEY_REVOKED, revoked=[_revoked(world.key_id(world.ALICE))]),
    "signer_who_signed_before_being_revoked": _use(
        Refusal.KEY_REVOKED, at=NOW - 10 * 86_400, revoked=[_revoked(world.key_id(world.ALICE))]
    ),
    "signer_of_another_role": _use(Refusal.KEY_ROLE, role=Role.PROMOTER),
    "signer_before_the_time": _use(Refusal.KEY_NOT_YET, keys=[entry(**{"from": "2027-02-01T00:00:00Z"})]),
    "signer_after_the_time": _use(Refusal.KEY_EXPIRED, keys=[entry(until="2027-01-14T00:00:00Z")]),
    "signer_in_the_last_second": _use(Refusal.KEY_EXPIRED, keys=[entry(until="2027-01-15T08:00:00Z")]),
    "image_that_is_revoked": Attack(
        reason=Refusal.SUBJECT_REVOKED,
        attempt=lambda: opened(signed(keyring(revoked=[_revoked(world.IMAGE.text)]))).keyring.require_image(
            world.IMAGE
        ),
    ),
}
"""Name → what is tried and the reason for which it is refused."""
