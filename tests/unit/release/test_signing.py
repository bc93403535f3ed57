"""Statements, envelopes and bundles: what is signed is what is read, by anyone who has the key."""

import base64
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parent))

import evidence_world as world

from pipeline.declare.errors import KeysError
from pipeline.release.attest import Statement, Subject
from pipeline.release.bundle import parse_bundle, signed_bundle, to_bundle
from pipeline.release.private_key import PrivateKey
from pipeline.release.refusal import RefusedEvidenceError
from pipeline.release.signing import Certifying, Envelope, pae, sign, verify
from runtime.canonical import to_canonical_json
from runtime.digest import Digest

KEYS = [PrivateKey(key=each) for each in (world.ALICE, world.BOB)]
FINGERPRINTS = [
    "SHA256:60acflvVWjK7Yd+AmfBvGDgpbZbsADTAZcMQQhCI9tQ",
    "SHA256:hrXylUx6MTVtWKOC5jKDhyXk4+WhbTtXfAvVcED8s4k",
]
STATEMENT = Statement(
    subjects=(Subject(name="web", digest=world.IMAGE),), predicate_type=world.KIND, predicate={"verdict": "PASSED"}
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each, max_size=3),
    max_leaves=8,
)


def test_pae_is_as_the_specification_writes_it():
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_pae_counts_bytes_not_characters():
    assert pae("ü", "é".encode()) == b"DSSEv1 2 \xc3\xbc 2 \xc3\xa9"


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.public.kind)
def test_bundle_that_is_signed_is_accepted_with_its_statement(key):
    found = verify(parse_bundle(to_bundle(sign(STATEMENT, key))), [each.public for each in KEYS])
    assert found.statement == STATEMENT
    assert found.key == key.public


@given(predicate=st.dictionaries(st.text(), VALUES, max_size=4), name=st.text(max_size=20))
def test_statement_that_is_written_and_read_is_the_same(predicate, name):
    try:
        raw = Statement(
            subjects=(Subject(name=name, digest=world.IMAGE),), predicate_type=world.KIND, predicate=predicate
        ).to_bytes()
    except UnicodeEncodeError:
        return  # a lone surrogate, which no JSON holds
    assert Statement.parse(raw).to_bytes() == raw == to_canonical_json(json.loads(raw))


def test_equal_statements_of_two_signers_have_equal_payloads_and_other_signatures():
    one, two = (sign(STATEMENT, key) for key in KEYS)
    assert one.payload == two.payload
    assert one.signature != two.signature
    assert one.hint != two.hint


def test_bundle_has_the_fields_of_version_3_and_no_others():
    document = json.loads(to_bundle(sign(STATEMENT, KEYS[0])))
    payload = json.dumps(json.loads(base64.b64decode(document["dsseEnvelope"]["payload"]))).encode()
    signature = document["dsseEnvelope"]["signatures"][0]["sig"]
    model = world.bundle(payload)
    model["dsseEnvelope"]["payload"] = document["dsseEnvelope"]["payload"]
    model["dsseEnvelope"]["signatures"][0]["sig"] = signature
    assert document == model


class Unasked(Certifying):
    """Has an identity for which nobody vouches here, as without a network."""

    @property
    def public(self):
        raise KeysError("nobody vouches for that")

    @property
    def trust_root(self):
        raise KeysError("nobody vouches for that")

    def certify(self, statement):
        return statement.to_bytes()


def test_signer_without_a_key_is_told_apart_without_asking_who_it_is():
    statement = Statement.parse(json.dumps(world.statement()).encode())
    assert signed_bundle(statement, Unasked()) == statement.to_bytes()


def test_hint_is_the_fingerprint_that_openssh_shows():
    """As `ssh-keygen -l` prints the first; sigstore-go accepts bundles of both, which it does with no other id."""
    assert [each.public.id for each in KEYS] == FINGERPRINTS


def test_statement_that_nobody_would_accept_is_not_signed():
    with pytest.raises(RefusedEvidenceError, match=r"\[subject-count\]"):
        sign(Statement(subjects=(), predicate_type=world.KIND, predicate={}), KEYS[0])


def test_envelope_by_another_key_of_the_same_kind_is_refused():
    mallory = PrivateKey(key=world.MALLORY)
    with pytest.raises(RefusedEvidenceError, match=r"\[signature-unknown\]"):
        verify(sign(STATEMENT, mallory), [each.public for each in KEYS])


def test_hint_chooses_no_key():
    mallory = sign(STATEMENT, PrivateKey(key=world.MALLORY))
    named = Envelope(payload=mallory.payload, hint=KEYS[0].public.id, signature=mallory.signature)
    with pytest.raises(RefusedEvidenceError, match=r"\[signature-wrong\]"):
        verify(named, [each.public for each in KEYS])


def test_statement_is_found_by_any_of_its_subjects():
    index = Digest.of(b"an index")
    both = Statement(
        subjects=(Subject(name="", digest=index), Subject(name="", digest=world.IMAGE)),
        predicate_type=world.KIND,
        predicate={},
    )
    for digest in (index, world.IMAGE):
        both.require(world.KIND, digest)
