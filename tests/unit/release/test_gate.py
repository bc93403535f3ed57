"""What a gate lets in, and what it says: beside the attacks, the ways in which a release may be in order."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

import evidence_world as evidence
import gate_world as world
from gate_attacks import ATTACKS, OTHER, THIRD, accept_difference, holders, later, revoke, rollback, see_third
from gate_world import HOUR, NOW, World

from pipeline.declare.keyring_file import Role
from pipeline.declare.stage_file import AllowedIgnore, Trust
from pipeline.declare.values import FlakyPolicy
from pipeline.release.attest import Statement
from pipeline.release.gate_refusal import Gate
from pipeline.release.portability import Portability
from pipeline.release.refusal import RefusedEvidenceError
from pipeline.release.verdicts import Seen
from pipeline.verify.verdict import EnvironmentResult, HostResult, State, VerdictWord
from runtime.digest import Digest


def accepted(w):
    found = w.decide()
    assert found.refusals == (), [each.line for each in found.refusals]
    return found.accepted


def test_approval_has_what_an_acceptance_says():
    w = World()
    found = accepted(w)
    (image,) = found.images
    assert (image.digest, image.suite, image.normalization) == (w.image.digest, world.SUITE, world.NORMALIZATION)
    assert image.diff_ids == w.image.diff_ids
    assert [(each.name, each.digest) for each in image.hosts] == [
        (each.name, each.digest) for each in (world.REFERENCE, world.HARDENED)
    ]
    assert image.behavior("hardened") == world.BEHAVIOR
    assert found.came.number == 4
    counted = {name for name in w.signed if name != "provenance"}
    assert len(found.inputs) == len(counted)


def test_first_stage_asks_for_no_acceptance():
    w = World()
    del w.signed["acceptance"]
    w.standing = None
    w.require(after=None)
    assert accepted(w).came is None


def test_stage_of_this_machine_counts_its_key_alone():
    w = World()
    w.require(trust=Trust.LOCAL, is_remote=False)
    assert w.decide().accepted is None
    for name in w.signed:
        w.say(name, key=world.MACHINE)
    w.keyring = None
    assert accepted(w).inputs


def test_what_the_keyring_revokes_counts_in_stages_of_this_machine_neither():
    w = World()
    w.require(trust=Trust.LOCAL, is_remote=False)
    for name in w.signed:
        w.say(name, key=world.MACHINE)
    ATTACKS["revoked_release"].change(w)
    assert [each.code for each in w.decide().refusals] == ["subject-revoked"]


def test_hosts_may_be_spread_over_statements_and_signers():
    w = World()
    first, second = w.signed["verdict"][0]["predicate"]["hosts"]
    w.signed["more"] = (w.verdict(), world.SECOND)
    w.say("verdict", hosts=[first])
    w.say("more", hosts=[{**first, "digest": Digest.of(b"another reference").text, "name": "other"}, second])
    assert len(accepted(w).images[0].hosts) == 2


def test_two_keys_are_two_signers():
    w = World()
    w.require(threshold=2)
    w.signed["more"] = (w.verdict(), world.SECOND)
    assert accepted(w).inputs


def test_signers_of_a_flaky_host_need_not_have_seen_one_behavior():
    w = World()
    ATTACKS["two_signers_that_saw_different_behaviors"].change(w)
    w.of_host(1, "more", state="FLAKY")
    w.require(flaky=FlakyPolicy.REPORT)
    assert accepted(w).images[0].behavior("hardened") == OTHER


def test_keys_that_agree_are_enough_beside_an_older_word():
    w = World()
    ATTACKS["two_signers_that_saw_different_behaviors"].change(w)
    see_third(w, "again", world.VERIFIER, at=NOW - HOUR // 2)
    assert accepted(w).images[0].behavior("hardened") == THIRD


def test_rubbish_beside_a_release_closes_no_gate():
    w = World()
    w.raw += [b"", b"{", b"[" * 1000, b"\xff"]
    w.signed["mallory"] = (w.verdict(verdict="FAILED"), evidence.MALLORY)
    found = w.decide()
    assert found.accepted is not None
    assert len(found.rejected) == 5
    assert {each.code for each in found.rejected} == {"json-syntax", "json-depth", "signature-unknown"}


def test_what_no_gate_asks_for_is_not_read():
    w = World()
    bill = {"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://cyclonedx.org/bom", "weight": 0.5}
    w.raw.append(json.dumps(evidence.bundle(json.dumps(bill).encode(), evidence.MALLORY)).encode())
    assert w.decide().rejected == ()


def test_passed_after_a_failed_counts():
    w = World()
    w.require(max_age=None)
    later(w, "failed", world.SECOND, at=NOW - 3 * HOUR)
    assert accepted(w).images


def test_failed_of_somebody_who_may_not_sign_is_not_heard():
    w = World()
    later(w, "failed", world.PROMOTER)
    assert accepted(w).images


def test_failed_of_another_suite_is_an_answer_to_another_question():
    w = World()
    later(w, "failed", world.SECOND)
    w.say("failed", suite=Digest.of(b"another").text)
    assert accepted(w).images


def test_inconclusive_since_takes_nothing_back():
    w = World()
    later(w, "again", world.SECOND)
    w.say("again", verdict="INCONCLUSIVE")
    w.of_host(1, "again", verdict="INCONCLUSIVE", state="INCONCLUSIVE", differences=[], behavior=None)
    assert accepted(w).images


def test_accepted_difference_passes_where_the_stage_accepts_it():
    for ignores in (None, (AllowedIgnore(test="tests/*", host="hardened"),)):
        w = World()
        accept_difference(w)
        w.require(ignores=ignores)
        assert accepted(w).images


def test_flaky_host_passes_where_that_is_reported_only():
    w = World()
    ATTACKS["flaky_host"].change(w)
    w.require(flaky=FlakyPolicy.REPORT)
    assert accepted(w).images


def test_newest_statement_has_the_word_at_the_first_stage():
    w = World()
    del w.signed["acceptance"]
    w.standing = None
    w.require(after=None)
    w.signed["newer"] = (w.verdict(at=NOW - HOUR, suite=Digest.of(b"more tests").text), world.VERIFIER)
    assert accepted(w).images[0].suite == Digest.of(b"more tests")


def test_newer_statement_that_does_not_count_changes_no_question():
    w = World()
    del w.signed["acceptance"]
    w.standing = None
    w.require(after=None)
    other = w.verdict(at=NOW - HOUR, suite=Digest.of(b"no tests").text)
    w.signed["promoter"] = (other, world.PROMOTER)
    w.signed["retired"] = (other, world.RETIRED)
    w.signed["mallory"] = (other, evidence.MALLORY)
    w.signed["malformed"] = ({**other, "predicate": other["predicate"] | {"trusted": True}}, world.VERIFIER)
    found = w.decide()
    assert found.accepted.images[0].suite == world.SUITE
    assert {each.code for each in found.rejected} == {"key-role", "key-expired", "signature-unknown", "predicate-form"}


def test_behavior_without_its_normalization_is_refused_with_a_reason():
    w = World()
    del w.signed["acceptance"]
    w.standing = None
    w.require(after=None)
    w.say(normalization=None)
    found = w.decide()
    assert found.accepted is None
    assert "predicate-form" in {each.code for each in found.refusals}


def test_index_passes_when_each_platform_has_its_own_evidence():
    w = World()
    w.take(w.blobs.index(amd64=w.blobs.image(), arm64=w.blobs.image("arm64")))
    w.require(platforms=("amd64", "arm64"))
    assert [each.architecture for each in accepted(w).images] == ["amd64", "arm64"]


def test_index_passes_without_evidence_of_a_platform_that_the_stage_does_not_name():
    w = World()
    w.take(w.blobs.index(amd64=w.blobs.image(), arm64=w.blobs.image("arm64")))
    del w.signed["verdict arm64"]
    assert [each.architecture for each in accepted(w).images] == ["amd64"]


def test_builders_of_two_images_of_an_index_may_rebuild_each_others():
    w = World()
    w.take(w.blobs.index(amd64=w.blobs.image(), arm64=w.blobs.image("arm64")))
    w.require(platforms=("amd64", "arm64"))
    holders(w, "other-builder", roles=frozenset({Role.BUILDER, Role.REBUILDER}))
    w.say("provenance arm64", key=world.REBUILDER)
    w.say("rebuild arm64", key=world.BUILDER)
    assert len(accepted(w).images) == 2


def test_provenance_of_a_builder_whose_key_has_ended_since_counts():
    w = World()
    holders(w, "builder", until=NOW - HOUR)
    assert accepted(w).images


def test_provenance_by_a_stolen_key_that_was_revoked_says_nothing_of_who_has_another_by_now():
    w = World()
    holders(w, "second", replaced_by="other-builder")
    revoke(w, evidence.key_id(world.SECOND))
    w.signed["stolen"] = (w.provenance(), world.SECOND)
    assert accepted(w).images


def test_refusal_says_why_somebody_may_not_say_who_built_an_image():
    w = World()
    w.say("provenance", key=world.SECOND)
    (found,) = w.decide().refusals
    assert found.code == Gate.REBUILDER_BUILDER
    assert "(the key 'second' signs as verifier, and builder is wanted)" in found.line


def test_earlier_release_of_a_stage_may_come_back():
    w = World()
    rollback(w)
    assert accepted(w).came.stage == "prod"


def test_all_reasons_are_told_at_once():
    w = World()
    for name in ("image_with_a_secret", "nobody_built_it_again", "tag_moved_in_the_stage_before", "host_dropped"):
        ATTACKS[name].change(w)
    found = {each.code for each in w.decide().refusals}
    assert found == {Gate.LINT_FOUND, Gate.REBUILDERS, Gate.NOT_LIVE, Gate.HOST_MISSING}


def test_refusal_says_what_is_missing_and_who_supplies_it_with_the_command():
    w = World()
    del w.signed["verdict"]
    lines = [each.line for each in w.decide().refusals]
    assert lines[1] == (
        f"hardened: nobody who may says that {w.image.digest.short} PASSED there; "
        "ci or second can verify it: `seatrial verify web --hosts hardened`"
    )


def test_refusal_that_nobody_can_mend_yet_says_so():
    w = World()
    w.keyring = replace(w.keyring, holders=w.keyring.holders[2:])
    found = next(each for each in w.decide().refusals if each.code == Gate.HOST_MISSING)
    assert "nobody yet; a verifier whom `seatrial keys add` adds" in found.line


def test_many_rejected_bundles_are_told_in_few_lines():
    w = World()
    del w.signed["verdict"]
    w.raw += [b"{%d" % number for number in range(100)]
    found = w.decide()
    assert len(found.rejected) == 100
    assert len(found.refusals) < 30


def test_what_verify_signs_is_what_a_gate_reads():
    image = World().image
    hosts = tuple(
        HostResult(name=each.name, digest=each.digest, factors=each.differing, state=state, behavior=world.BEHAVIOR)
        for each, state in ((world.REFERENCE, State.REFERENCE), (world.HARDENED, State.SAME))
    )
    result = EnvironmentResult(
        name="web",
        spec="envs/web.yaml",
        lock=None,
        image=image.digest,
        suite=world.SUITE,
        normalization=world.NORMALIZATION,
        verdict=VerdictWord.PASSED,
        headline="",
        behavior=world.BEHAVIOR,
        tests={},
        hosts=hosts,
    )
    statement = Seen(result=result, image=image, at=NOW).portability()
    found = Portability.of(Statement.parse(statement.to_bytes()))
    assert (found.image, found.suite, found.at) == (image.digest, world.SUITE, NOW)
    assert [each.name for each in found.hosts] == ["reference", "hardened"]
    assert found.diff_ids == image.diff_ids


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"verdict": "passed"}, "predicate-form"),
        ({"suite": None}, "json-type"),
        ({"hermetic": "yes"}, "predicate-form"),
        ({"normalization": None}, "predicate-form"),
        ({"unstable": "none"}, "json-type"),
        ({"verifier": {"id": "https://example.org/"}}, "predicate-form"),
        ({"verifiedOn": "2027-02-30T00:00:00Z"}, "predicate-form"),
        ({"hosts": [world.host_word(world.REFERENCE)] * 2}, "predicate-form"),
        ({"hosts": [world.host_word(world.REFERENCE, "GONE")]}, "predicate-form"),
        ({"hosts": [world.host_word(world.REFERENCE, runs=-1)]}, "predicate-form"),
        ({"hosts": [world.host_word(world.REFERENCE, runs=True)]}, "predicate-form"),
        ({"hosts": [world.host_word(world.REFERENCE, fidelity="real")]}, "predicate-form"),
        ({"hosts": [world.host_word(world.REFERENCE, trusted=True)]}, "predicate-form"),
        ({"hosts": [world.host_word(world.REFERENCE, factors=[])]}, "json-type"),
        ({"hosts": [world.host_word(world.REFERENCE, differences=[{"id": "a"}])]}, "predicate-form"),
    ],
)
def test_malformed_verdict_is_refused(change, reason):
    raw = json.dumps(World().verdict(**change)).encode()
    with pytest.raises(RefusedEvidenceError, match=rf"\[{reason}\]"):
        Portability.of(Statement.parse(raw))
