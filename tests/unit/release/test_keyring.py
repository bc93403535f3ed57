"""Keyrings: what changes do to them, and what is remembered of them."""

import json
import sys
from pathlib import Path

import jsonschema
import pytest

sys.path.append(str(Path(__file__).parent))

import evidence_world as world
import hostile_keyrings as hand

from pipeline.declare.errors import KeysError
from pipeline.declare.keyring_file import Role
from pipeline.release.keyring import parse_time, print_time
from pipeline.release.keyring_changes import (
    DAY,
    make_holder,
    may_change,
    new_keyring,
    renewed,
    rotated,
    signed_by,
    with_holder,
    with_revocation,
)
from pipeline.release.keyring_file import Trust, open_keyring, parse_keyring
from pipeline.release.keyring_place import read_keyring, trusted_keyring, write_keyring
from pipeline.release.private_key import PrivateKey
from pipeline.release.refusal import RefusedEvidenceError
from pipeline.release.seen import Seen

NOW = hand.NOW
ROOT, SECOND = PrivateKey(key=hand.ROOT), PrivateKey(key=hand.SECOND)
ALICE, BOB = world.public(world.ALICE), world.public(world.BOB)
SCHEMA = Path(__file__).parents[3] / "specs" / "keyring.schema.json"


@pytest.fixture
def keyring():
    empty = new_keyring([ROOT.public], 1, NOW + 100 * DAY)
    return with_holder(empty, make_holder("ci", ALICE, [Role.VERIFIER], NOW, 50 * DAY))


def test_keyring_that_is_written_and_read_is_the_same(keyring):
    signed = signed_by(with_revocation(keyring, "sha256:" + "0" * 64, NOW, "it lost the ñ data"), ROOT)
    assert open_keyring(signed.to_bytes(), hand.TRUST, NOW) == signed


def test_keyring_that_is_written_satisfies_its_schema(keyring):
    document = json.loads(signed_by(keyring, ROOT).to_bytes())
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).validate(document)


def test_keyring_that_is_signed_by_hand_is_written_as_it_was():
    raw = hand.signed()
    assert json.loads(parse_keyring(raw, "it").to_bytes()) == json.loads(raw)


def test_every_change_is_one_version_more(keyring):
    changed = [
        with_holder(keyring, make_holder("bob", BOB, [Role.BUILDER], NOW, DAY)),
        with_revocation(keyring, "ci", NOW, ""),
        rotated(keyring, "ci", BOB, NOW, overlap=DAY, lasting=DAY),
        renewed(keyring, NOW),
    ]
    assert {each.version for each in changed} == {keyring.version + 1}


def test_rotation_leaves_what_was_signed_and_ends_the_older_key_after_the_overlap(keyring):
    later = rotated(keyring, "ci", BOB, NOW + 10, overlap=DAY, lasting=50 * DAY)
    assert later.holder(BOB, [Role.VERIFIER], NOW + 10).name == "ci"
    assert later.holder(ALICE, [Role.VERIFIER], NOW).name == f"ci-{keyring.version}"
    assert later.holder(ALICE, [Role.VERIFIER], NOW + DAY)
    with pytest.raises(RefusedEvidenceError, match=r"\[key-expired\]"):
        later.holder(ALICE, [Role.VERIFIER], NOW + DAY + 10)


def test_keys_that_took_one_anothers_place_are_one_persons_and_so_is_what_is_written(keyring):
    once = rotated(keyring, "ci", BOB, NOW, overlap=DAY, lasting=DAY)
    twice = rotated(once, "ci", SECOND.public, NOW, overlap=DAY, lasting=DAY)
    signed = signed_by(twice, ROOT)
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).validate(json.loads(signed.to_bytes()))
    found = parse_keyring(signed.to_bytes(), "it").keyring
    assert {found.person(each) for each in (ALICE, BOB, SECOND.public)} == {"ci"}
    assert len({each.name for each in found.holders}) == 3


def test_key_that_was_replaced_is_not_replaced_again(keyring):
    later = rotated(keyring, "ci", BOB, NOW, overlap=DAY, lasting=DAY)
    with pytest.raises(KeysError, match="was taken by 'ci'") as caught:
        rotated(later, later.holders[0].name, SECOND.public, NOW, overlap=DAY, lasting=DAY)
    assert "keys rotate ci" in caught.value.hint


def test_rotation_whose_older_key_would_have_no_name_of_its_own_is_refused(keyring):
    holder = make_holder(f"ci-{keyring.version + 1}", BOB, [Role.VERIFIER], NOW, DAY)
    with pytest.raises(KeysError, match="another's name"):
        rotated(with_holder(keyring, holder), "ci", SECOND.public, NOW, overlap=DAY, lasting=DAY)


def test_rotation_makes_no_key_valid_for_longer(keyring):
    later = rotated(keyring, "ci", BOB, NOW, overlap=500 * DAY, lasting=DAY)
    assert later.holders[0].until == keyring.holders[0].until


def test_rotation_to_the_same_key_is_refused(keyring):
    with pytest.raises(KeysError, match="already"):
        rotated(keyring, "ci", ALICE, NOW, overlap=DAY, lasting=DAY)


@pytest.mark.parametrize("what", ["ci", ALICE.id])
def test_revocation_by_name_or_by_id_is_of_the_key(keyring, what):
    with pytest.raises(RefusedEvidenceError, match=r"\[key-revoked\].*|was revoked"):
        with_revocation(keyring, what, NOW, "lost").holder(ALICE, [Role.VERIFIER], NOW)


def test_revocation_of_nobody_and_a_second_one_are_refused(keyring):
    with pytest.raises(KeysError, match="no key 'nobody'"):
        with_revocation(keyring, "nobody", NOW, "")
    with pytest.raises(KeysError, match="already"):
        with_revocation(with_revocation(keyring, "ci", NOW, ""), ALICE.id, NOW, "")


def test_two_of_two_roots_have_to_sign():
    two = new_keyring([ROOT.public, SECOND.public], 2, NOW + DAY)
    half = signed_by(two, ROOT)
    assert not half.is_complete
    assert half.sign(ROOT).signers == (ROOT.public,)
    assert open_keyring(half.sign(SECOND).to_bytes(), hand.TRUST, NOW).is_complete


@pytest.mark.parametrize(("roots", "threshold"), [([ROOT.public], 2), ([ROOT.public] * 2, 1), ([ROOT.public], 0)])
def test_keyring_that_nobody_could_sign_is_not_made(roots, threshold):
    with pytest.raises(KeysError, match="cannot sign"):
        new_keyring(roots, threshold, NOW)


def test_who_is_no_root_may_neither_sign_nor_change(keyring):
    mallory = PrivateKey(key=world.MALLORY)
    with pytest.raises(KeysError, match="no root"):
        signed_by(keyring, mallory)
    with pytest.raises(KeysError, match="no root"):
        may_change(signed_by(keyring, ROOT), mallory)


def test_change_of_what_another_root_has_put_in_waits_for_ones_own_signature():
    two = new_keyring([ROOT.public, SECOND.public], 1, NOW + DAY)
    by_second = signed_by(with_holder(two, make_holder("x", BOB, [Role.VERIFIER], NOW, DAY)), SECOND)
    with pytest.raises(KeysError, match="not signed by your key"):
        may_change(by_second, ROOT)
    assert may_change(by_second.sign(ROOT), ROOT) == by_second.keyring


def test_older_keyring_is_refused_once_a_newer_one_was_seen(keyring, tmp_path):
    path, seen = tmp_path / "specs" / "keyring.json", Seen(tmp_path / "keys")
    old = signed_by(keyring, ROOT)
    write_keyring(path, old, seen)
    kept = path.read_bytes()
    write_keyring(path, signed_by(with_revocation(keyring, "ci", NOW, "lost"), ROOT), seen)
    assert trusted_keyring(path, hand.TRUST, seen, NOW).keyring.version == keyring.version + 1
    path.write_bytes(kept)
    with pytest.raises(RefusedEvidenceError, match=r"\[keyring-older\]"):
        trusted_keyring(path, hand.TRUST, seen, NOW)
    with pytest.raises(KeysError, match="was seen before"):
        write_keyring(path, old, seen)
    assert trusted_keyring(path, hand.TRUST, Seen(tmp_path / "somebody else"), NOW) == old


def test_another_keyring_of_the_same_version_is_refused(keyring, tmp_path):
    path, seen = tmp_path / "keyring.json", Seen(tmp_path / "keys")
    write_keyring(path, signed_by(keyring, ROOT), seen)
    path.write_bytes(
        signed_by(with_holder(new_keyring([ROOT.public], 1, NOW + DAY), keyring.holders[0]), ROOT).to_bytes()
    )
    with pytest.raises(RefusedEvidenceError, match=r"\[keyring-changed\]"):
        trusted_keyring(path, hand.TRUST, seen, NOW)


def test_damaged_memory_is_an_error_and_not_forgotten(keyring, tmp_path):
    path, seen = tmp_path / "keyring.json", Seen(tmp_path / "keys")
    write_keyring(path, signed_by(keyring, ROOT), seen)
    next((tmp_path / "keys" / "keyrings").glob("*.json")).write_text('{"version": 1}')
    with pytest.raises(KeysError, match="damaged"):
        trusted_keyring(path, hand.TRUST, seen, NOW)


def test_missing_keyring_names_the_command(tmp_path):
    with pytest.raises(KeysError) as missing:
        read_keyring(tmp_path / "keyring.json")
    assert "keys init" in missing.value.hint


def test_time_that_is_printed_is_parsed_to_the_same():
    for seconds in (0, NOW, 4_102_444_800):
        assert parse_time(print_time(seconds)) == seconds


def test_trust_without_roots_accepts_any_that_its_own_roots_signed():
    raw = hand.signed(hand.keyring(roots={"threshold": 1, "keys": [hand.encoded(world.MALLORY)]}), (world.MALLORY,))
    assert open_keyring(raw, Trust(), NOW).is_complete
