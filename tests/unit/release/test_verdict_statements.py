"""What a verification found, as statements that are signed and put beside its image."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1.statement_pb2 import Statement as Message

sys.path.append(str(Path(__file__).parent))

import evidence_world as world

from pipeline.attesting import attest
from pipeline.release.attest import Statement
from pipeline.release.bundle import parse_bundle
from pipeline.release.evidence import find_evidence
from pipeline.release.private_key import PrivateKey
from pipeline.release.signing import verify
from pipeline.release.verdicts import PORTABILITY, TEST_RESULT, Seen
from pipeline.verify.compare import Difference, Kind
from pipeline.verify.explain import Cause, CauseState
from pipeline.verify.verdict import (
    EnvironmentResult,
    Finding,
    HostResult,
    IgnoreUse,
    State,
    VerdictWord,
    Verification,
)
from runtime.digest import Digest
from runtime.oci.attached import AttachedLayout
from runtime.oci.descriptor import CONFIG, LAYER_TAR, MANIFEST
from runtime.oci.image import Image
from runtime.oci.layout import Layout

PAGE = Path(__file__).parents[3] / "specs" / "predicates" / "portability.md"
AT = 1_800_000_000
BEHAVIOR = Digest.of(b"behavior")
FINDING = Finding(
    difference=Difference(
        kind=Kind.TEST,
        id="tests/test_files.py::test_mode",
        reference="passed",
        here="failed",
        message="password=hunter2",
    ),
    cause=Cause(state=CauseState.CAUSED, factors={"umask": "0077"}),
)


def host(name, state, **more):
    given = {"behavior": BEHAVIOR, "tests": {"passed": 3}, "runs": 2, "evidence": {"umask": "0022"}} | more
    return HostResult(name=name, digest=Digest.of(name.encode()), factors={}, state=state, **given)


HOSTS = (
    host("reference", State.REFERENCE),
    host("openshift", State.SAME, ambient={"kernel": "6.1.0"}),
    host("umask-0077", State.DIFFERENT, verdict=VerdictWord.FAILED, findings=(FINDING,)),
    host("accepted", State.DIFFERENT, findings=(replace(FINDING, ignored="known"),)),
    host("flaky", State.FLAKY, findings=(FINDING,)),
    host("lost", State.INCONCLUSIVE, verdict=VerdictWord.INCONCLUSIVE),
    host("gvisor", State.UNAVAILABLE, behavior=None),
)


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "oci")


@pytest.fixture
def image(layout):
    layer = layout.write(b"\0" * 1024, LAYER_TAR)
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer.digest.text]}}
    described = layout.write(json.dumps(config).encode(), CONFIG)
    document = {"schemaVersion": 2, "config": described.to_json(), "layers": [layer.to_json()]}
    return Image.open(layout, layout.write(json.dumps(document).encode(), MANIFEST).digest)


@pytest.fixture
def result(image):
    return EnvironmentResult(
        name="web",
        spec="envs/web.yaml",
        lock=Digest.of(b"lock"),
        image=image.digest,
        suite=Digest.of(b"suite"),
        normalization=Digest.of(b"normalization"),
        verdict=VerdictWord.FAILED,
        headline="web behaves differently where umask is 0077",
        behavior=BEHAVIOR,
        tests={"passed": 3},
        hosts=HOSTS,
        ignores=(IgnoreUse(test="*", host="accepted", reason="known", used=1),),
    )


@pytest.fixture
def seen(result, image):
    return Seen(result=result, image=image, at=AT, version="0.1.0")


def test_every_host_that_came_to_a_result_has_a_statement_and_no_other_one(seen):
    found = {each.predicate["configuration"][0]["name"]: each.predicate["result"] for each in seen.test_results()}
    assert found == {
        "reference": "PASSED",
        "openshift": "PASSED",
        "umask-0077": "FAILED",
        "accepted": "WARNED",
        "flaky": "WARNED",
    }


def test_result_names_the_host_the_suite_and_the_lock_by_digest(seen, result):
    first = next(seen.test_results())
    assert [each["digest"]["sha256"] for each in first.predicate["configuration"]] == [
        HOSTS[0].digest.hex,
        result.suite.hex,
        result.lock.hex,
    ]


def test_failed_tests_are_named_where_they_fail(seen):
    found = {each.predicate["configuration"][0]["name"]: each.predicate["failedTests"] for each in seen.test_results()}
    assert found["umask-0077"] == ["tests/test_files.py::test_mode"]
    assert found["openshift"] == []


def test_in_toto_attestation_accepts_the_results(seen):
    for each in seen.test_results():
        message = json_format.Parse(each.to_bytes(), Message())
        json_format.ParseDict(json_format.MessageToDict(message.predicate), test_result_pb2.TestResult())


def test_portability_has_every_host_as_it_was_found(seen):
    predicate = seen.portability().predicate
    assert [(each["name"], each["state"], each["verdict"]) for each in predicate["hosts"]] == [
        (each.name, each.state.value, each.verdict.value) for each in HOSTS
    ]
    assert predicate["verdict"] == "FAILED"
    assert predicate["hosts"][2]["differences"][0]["cause"] == {"state": "CAUSED", "factors": {"umask": "0077"}}


def test_portability_has_what_engines_show_of_an_image(seen, image):
    found = seen.portability().predicate["image"]
    assert found["config"] == image.manifest["config"]["digest"]
    assert found["layers"] == found["diffIds"] == [image.diff_ids[0].text]


def test_texts_of_exceptions_are_in_no_statement(seen):
    assert not any(b"hunter2" in each.to_bytes() for each in seen.statements())


def test_differences_end_at_200_and_the_rest_is_counted(result, image):
    many = replace(result, hosts=(replace(HOSTS[2], findings=(FINDING,) * 250),))
    (found,) = Seen(result=many, image=image, at=AT).portability().predicate["hosts"]
    assert (len(found["differences"]), found["more"]) == (200, 50)


def test_page_of_the_predicate_has_every_field_and_an_example(seen):
    text = PAGE.read_text(encoding="utf-8")
    example = Statement.parse(text.partition("```json\n")[2].partition("```")[0].encode())
    found = seen.portability()
    assert example.predicate.keys() == found.predicate.keys()
    assert example.predicate["hosts"][0].keys() == found.predicate["hosts"][0].keys()
    for key in (*found.predicate, *found.predicate["hosts"][0]):
        assert f"| `{key}` |" in text, key


def test_what_was_found_lies_beside_the_image_signed_and_once(result, image, layout, tmp_path):
    key = PrivateKey.new()
    whole = Verification(
        verdict=VerdictWord.FAILED, headline="", environments=(result,), unavailable=(), duration=0, seed=0
    )
    assert attest(whole, tmp_path, key, version="", clock=lambda: AT) == 6
    assert attest(whole, tmp_path, key, version="", clock=lambda: AT) == 0
    assert attest(whole, tmp_path, key, version="", clock=lambda: AT + 1) == 1  # when it was verified is in one of them
    kinds = []
    for each in find_evidence(image.digest, AttachedLayout(layout)):
        statement = verify(parse_bundle(each.bundle), [key.public]).statement
        statement.require(statement.predicate_type, image.digest)
        kinds.append(statement.predicate_type)
    assert sorted(kinds) == sorted([TEST_RESULT] * 5 + [PORTABILITY] * 2)


def test_of_what_was_interrupted_nothing_is_signed(result, tmp_path, layout):
    partial = Verification(
        verdict=VerdictWord.INCONCLUSIVE,
        headline="",
        environments=(result,),
        unavailable=(),
        duration=0,
        seed=0,
        partial=True,
    )
    assert attest(partial, tmp_path, PrivateKey(key=world.ALICE), version="", clock=lambda: AT) == 0
    assert list(AttachedLayout(layout).referrers(result.image)) == []
