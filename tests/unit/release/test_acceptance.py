"""What a stage signs when it takes a release: read again as it was written, and refused where it is something else."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

import evidence_world as world
from google.protobuf import json_format
from in_toto_attestation.predicates.vsa.v1 import vsa_pb2

from pipeline.release.acceptance import PREDICATE, Acceptance, AcceptedHost, AcceptedImage
from pipeline.release.attest import Statement
from pipeline.release.refusal import RefusedEvidenceError
from runtime.digest import Digest

OURS = "https://seatrial.dev/acceptance/"
PAGE = Path(__file__).parents[3] / "specs" / "predicates" / "acceptance.md"
BEHAVIOR = Digest.of(b"behavior")
HOST = AcceptedHost(name="reference", digest=Digest.of(b"reference"), behavior=BEHAVIOR)
IMAGE = AcceptedImage(
    digest=world.IMAGE,
    architecture="amd64",
    config=Digest.of(b"config"),
    layers=(Digest.of(b"layer"),),
    diff_ids=(Digest.of(b"archive"),),
    suite=Digest.of(b"suite"),
    normalization=Digest.of(b"normalization"),
    hosts=(HOST, replace(HOST, name="hardened", digest=Digest.of(b"hardened"))),
)
ONE = Acceptance(
    stage="prod",
    app="web",
    store="oci-layout:prod/web",
    release=world.IMAGE,
    images=(IMAGE,),
    number=7,
    previous=world.OTHER,
    policy=Digest.of(b"policy"),
    inputs=tuple(sorted((Digest.of(b"one"), Digest.of(b"two")))),
    at=1_800_000_000,
    expires=1_800_600_000,
    version="0.1.0",
)
INDEX = replace(
    ONE,
    release=Digest.of(b"index"),
    images=(IMAGE, replace(IMAGE, digest=world.OTHER, architecture="arm64", hosts=(HOST,))),
)


@pytest.mark.parametrize("acceptance", [ONE, INDEX, replace(ONE, previous=None, expires=None, version="", number=1)])
def test_acceptance_that_is_written_and_read_is_the_same(acceptance):
    assert Acceptance.of(Statement.parse(acceptance.statement().to_bytes())) == acceptance


def test_acceptance_of_an_index_names_the_index_and_each_of_its_images():
    assert [each.digest for each in INDEX.statement().subjects] == [INDEX.release, world.IMAGE, world.OTHER]
    assert INDEX.levels == ("SEATRIAL_HOSTS_1",)
    assert (ONE.levels, ONE.image(world.IMAGE), ONE.image(world.OTHER)) == (("SEATRIAL_HOSTS_2",), IMAGE, None)
    assert (IMAGE.behavior("hardened"), IMAGE.behavior("other")) == (BEHAVIOR, None)


def test_in_totos_own_types_read_what_is_theirs():
    predicate = ONE.statement().predicate
    # Their type is of an earlier draft: it has one level as text, and no version of the verifier.
    known = {key: value for key, value in predicate.items() if not key.startswith(OURS) and key != "verifiedLevels"}
    found = json_format.ParseDict(known, vsa_pb2.VerificationSummary(), ignore_unknown_fields=True)
    assert (found.verification_result, found.resource_uri) == ("PASSED", "oci-layout:prod/web")
    assert {key for key in predicate if key.startswith(OURS)} == {
        OURS + each for each in ("stage", "app", "number", "previous", "images", "expires")
    }


def test_page_of_the_predicate_shows_one_that_is_read():
    text = PAGE.read_text(encoding="utf-8")
    example = text.partition("```json\n")[2].partition("```")[0]
    found = Acceptance.of(Statement.parse(example.encode()))
    assert found.number == 7
    assert json.loads(found.statement().to_bytes()) == json.loads(example)
    for key in json.loads(example)["predicate"]:
        assert f"| `{key.removeprefix(OURS)}` |" in text, key
    for key in json.loads(example)["predicate"][OURS + "images"][0]:
        assert f"`{key}`" in text.partition("field of an image")[2], key


def _image(**changes):
    return {OURS + "images": [{**ONE.statement().predicate[OURS + "images"][0], **changes}]}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"verificationResult": "FAILED"}, "predicate-form"),
        ({"verifier": {"id": "https://example.org/verifier"}}, "predicate-form"),
        ({"verifiedLevels": ["SEATRIAL_HOSTS_9"]}, "predicate-form"),
        ({"verifiedLevels": []}, "predicate-form"),
        ({"policy": {"uri": "https://seatrial.dev/policy/v1/dev", "digest": {"sha256": "0" * 64}}}, "predicate-form"),
        ({"policy": {"uri": "https://seatrial.dev/policy/v1/prod"}}, "predicate-form"),
        ({"inputAttestations": []}, "predicate-form"),
        ({"resourceUri": "prod/web"}, "predicate-form"),
        ({"timeVerified": "today"}, "predicate-form"),
        ({"slsaVersion": "1.0"}, "predicate-form"),
        ({OURS + "number": 0}, "predicate-form"),
        ({OURS + "number": True}, "predicate-form"),
        ({OURS + "number": 2**60}, "predicate-form"),
        ({OURS + "previous": "none"}, "predicate-form"),
        ({OURS + "expires": "2027-02-30T00:00:00Z"}, "predicate-form"),
        ({OURS + "images": []}, "predicate-form"),
        ({OURS + "stage": None}, "json-type"),
        (_image(hosts=[]), "predicate-form"),
        (_image(hosts=[{"name": "a", "digest": BEHAVIOR.text, "behavior": BEHAVIOR.text}] * 2), "predicate-form"),
        (_image(suite="sha256:0"), "predicate-form"),
        (_image(digest=world.OTHER.text), "subject-other"),
    ],
)
def test_acceptance_that_says_something_else_is_refused(change, reason):
    statement = ONE.statement()
    changed = replace(statement, predicate={**statement.predicate, **change})
    with pytest.raises(RefusedEvidenceError, match=rf"\[{reason}\]"):
        Acceptance.of(changed)


@pytest.mark.parametrize("key", ONE.statement().predicate)
def test_acceptance_without_one_of_its_fields_is_refused(key):
    statement = ONE.statement()
    changed = replace(statement, predicate={name: value for name, value in statement.predicate.items() if name != key})
    with pytest.raises(RefusedEvidenceError, match=r"\[predicate-form\]"):
        Acceptance.of(changed)


def test_acceptance_of_another_kind_or_of_other_subjects_is_refused():
    statement, index = ONE.statement(), INDEX.statement()
    with pytest.raises(RefusedEvidenceError, match=r"\[predicate-other\]"):
        Acceptance.of(replace(statement, predicate_type=PREDICATE + "1"))
    for subjects in (statement.subjects * 2, index.subjects, (*statement.subjects, index.subjects[-1])):
        with pytest.raises(RefusedEvidenceError, match=r"\[subject-other\]"):
            Acceptance.of(replace(statement, subjects=subjects))
    with pytest.raises(RefusedEvidenceError, match=r"\[predicate-form\]"):
        Acceptance.of(replace(index, subjects=index.subjects[1:]))
