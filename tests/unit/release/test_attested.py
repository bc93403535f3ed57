"""What was signed already is not signed again, unless something ran, or what was signed is gone."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

import suite_world as world

from pipeline.attested import is_attested, remember_attested
from pipeline.attesting import attest
from pipeline.release.key_place import key_name
from pipeline.release.private_key import PrivateKey
from pipeline.verify.verdict import EnvironmentResult, VerdictWord, Verification, Work
from runtime.digest import Digest
from runtime.oci.attached import AttachedLayout
from runtime.oci.layout import Layout

KEY = Digest.of(b"key")


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "oci")


@pytest.fixture
def result(layout):
    asked = world.question(layout).inquiry
    return EnvironmentResult(
        name="web",
        spec="envs/web.yaml",
        lock=None,
        image=asked.image,
        suite=asked.suite.digest,
        normalization=world.NORMALIZATION.digest,
        verdict=VerdictWord.PASSED,
        headline="",
        behavior=Digest.of_json(world.RECORD),
        tests={},
        hosts=(),
        inquiry=asked,
        normalized=world.NORMALIZATION,
        records={Digest.of_json(world.RECORD): world.RECORD},
    )


@pytest.fixture
def signed(result, tmp_path):
    whole = Verification(
        verdict=VerdictWord.PASSED, headline="", environments=(result,), unavailable=(), duration=0, seed=0
    )
    attest(whole, tmp_path, PrivateKey.new(), version="", clock=lambda: 1_800_000_000)
    remember_attested(result, KEY, tmp_path)
    return result


def test_repetition_has_nothing_to_sign(signed, tmp_path):
    assert is_attested(signed, KEY, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"work": Work(runs=1)},
        {"verdict": VerdictWord.FAILED},
        {"suite": Digest.of(b"another")},
        {"hermetic": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_ran_or_came_out_otherwise_is_signed(signed, tmp_path, change):
    assert not is_attested(replace(signed, **change), KEY, tmp_path)


def test_another_key_signs_for_itself(signed, tmp_path):
    assert not is_attested(signed, Digest.of(b"other"), tmp_path)


def test_image_that_was_verified_last_is_the_one_that_is_promoted(signed, tmp_path, layout):
    other = world.tree(layout, b"\5" * 1024)
    layout.add_manifest(replace_digest(layout, other), name="web/verified")
    assert not is_attested(signed, KEY, tmp_path)


def replace_digest(layout, digest):
    from runtime.oci.descriptor import MANIFEST, Descriptor  # noqa: PLC0415 - for this one

    return Descriptor(media_type=MANIFEST, digest=digest, size=layout.path(digest).stat().st_size)


def test_what_somebody_took_away_is_signed_again(signed, tmp_path, layout):
    index = f"sha256-{signed.image.hex}"
    empty = layout.write(b'{"schemaVersion":2,"manifests":[]}', layout.resolve(index).media_type)
    layout.add_manifest(empty, name=index)
    assert AttachedLayout(layout).referrers(signed.image) == ()
    assert not is_attested(signed, KEY, tmp_path)


def test_name_of_a_key_is_that_of_its_content(tmp_path):
    (tmp_path / "machine.pem").write_bytes(b"one")
    own = key_name("", {}, tmp_path)
    assert own == Digest.of(b"one")
    (tmp_path / "ci.pem").write_bytes(b"one")
    assert key_name(str(tmp_path / "ci.pem"), {}, tmp_path) == own
    assert key_name("", {"SEATRIAL_KEY": "agent:me"}, tmp_path) == Digest.of(b"agent:me")
