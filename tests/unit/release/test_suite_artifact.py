"""The suite beside its image: what was asked comes back whole, in another store too, and nothing else does."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

import suite_world as world
from hostile_suites import Ground

from pipeline.release.refusal import Refusal, RefusedEvidenceError
from pipeline.release.suite_artifact import RECORD, attach_suite, bring_suite, find_question, read_record
from pipeline.release.suite_question import SuiteQuestion
from pipeline.verify.normalization import Normalization
from runtime.digest import Digest
from runtime.oci.attached import read_artifact
from runtime.oci.image import Image
from runtime.oci.layout import Layout
from runtime.oci.refusal import RefusedError


@pytest.fixture
def ground(tmp_path):
    return Ground(tmp_path)


def test_question_comes_back_as_it_was_asked(ground):
    found = find_question(ground.signed, ground.store)
    assert found == ground.question
    assert found.inquiry.plan.digest == ground.question.inquiry.plan.digest
    assert found.inquiry.suite.digest == ground.signed.suite


def test_suite_can_be_opened_where_it_was_brought(ground):
    bring_suite(ground.question, ground.store, ground.other)
    for tree in ground.question.trees:
        opened = Image.open(ground.other, tree)
        assert all(ground.other.has(each.descriptor.digest) for each in opened.layers)
    assert ground.other.verify() == 6  # two manifests, configs and layers


def test_suite_whose_bytes_were_changed_is_not_brought(ground):
    layer = Image.open(ground.layout, ground.question.trees[0]).layers[0].descriptor.digest
    ground.layout.path(layer).write_bytes(b"\4" * 1024)
    with pytest.raises(RefusedError):
        bring_suite(ground.question, ground.store, ground.other)


def test_equal_suites_are_one_artifact_and_what_behavior_was_lies_in_it(ground):
    digest = Digest.of_json(world.RECORD)
    first = attach_suite(ground.question, {digest: world.RECORD}, ground.store)
    assert attach_suite(ground.question, {digest: world.RECORD}, ground.store) == first
    assert len(ground.store.referrers(ground.signed.image)) == 2  # with the one that has no record
    artifact = read_artifact(first, ground.signed.image, ground.store)
    assert [each.digest for each in artifact.blobs if each.media_type == RECORD] == [digest]
    assert read_record(digest, ground.store) == world.RECORD
    assert read_record(Digest.of(b"another"), ground.store) is None


def test_rubbish_beside_an_image_hides_no_suite(ground):
    from runtime.oci.attached import Artifact, attach_artifact  # noqa: PLC0415 - for this one

    gone = ground.layout.write(b"gone", "text/plain")
    listed = attach_artifact(
        Artifact(kind="application/vnd.seatrial.suite.v1", blobs=(gone,), annotations={}),
        ground.signed.image,
        ground.store,
    )
    ground.layout.path(listed.digest).unlink()
    assert find_question(ground.signed, ground.store) == ground.question


def test_normalization_is_read_in_its_one_form_alone():
    assert Normalization.from_json(world.NORMALIZATION.to_json()) == world.NORMALIZATION
    turned = {**world.NORMALIZATION.to_json(), "unstable": ["b", "a"]}
    with pytest.raises(ValueError, match="no normalization"):
        Normalization.from_json(turned)


def test_joined_normalization_has_what_either_has():
    other = Normalization(unstable=frozenset({"x"}), masks={"stderr": ()})
    both = world.NORMALIZATION.joined(other)
    assert both == other.joined(world.NORMALIZATION)
    assert both.unstable == world.NORMALIZATION.unstable | {"x"}
    assert both.masks["stdout"] == world.NORMALIZATION.masks["stdout"]


def test_question_without_its_normalization_is_none_that_can_be_asked(ground):
    document = json.loads(ground.question.to_bytes())
    del document["normalization"]
    with pytest.raises(RefusedEvidenceError) as refused:
        SuiteQuestion.parse(json.dumps(document, sort_keys=True, separators=(",", ":")).encode(), "it")
    assert refused.value.reason is Refusal.SUITE_FORM


def test_spec_and_hosts_of_whoever_asked_are_not_in_the_question(tmp_path):
    layout = Layout(tmp_path / "oci")
    plain = world.question(layout)
    assert world.question(layout, spec="/home/me/envs/web.yaml", seed=7).digest == plain.digest
    assert replace(plain, inquiry=replace(plain.inquiry, name="api")).digest != plain.digest
