"""Attacks on a gate, each refused for its own reason; no two are equal in check and shape."""

import base64
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import evidence_world as evidence
import gate_world as world
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from gate_world import DAY, HOUR, NOW, World

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from simulated_sigstore import ISSUER, SUBJECT, Sigstore

from pipeline.declare.keyring_file import Role
from pipeline.declare.stage_file import AllowedIgnore, LeastFidelity, LintDemand, Trust
from pipeline.release.checks.lint import Findings
from pipeline.release.gate_refusal import Gate
from pipeline.release.identity import Identity
from pipeline.release.keyring import Holder, Revocation
from pipeline.release.refusal import Refusal
from runtime.digest import Digest
from runtime.host import Host

OTHER = Digest.of(b"another")
THIRD = Digest.of(b"a third")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One thing that a gate refuses.

    Args:
        code: for which it does.
        change: of a release that it lets in.
        also: codes that follow from it.
    """

    code: str
    change: Callable[[World], None]
    also: frozenset[str] = frozenset()


ATTACKS: dict[str, Attack] = {}


def attack(code, *also):
    def add(change):
        name = change.__name__
        assert name not in ATTACKS, name
        ATTACKS[name] = Attack(code=str(code), change=change, also=frozenset(map(str, also)))
        return change

    return add


# --- the question


@attack(Gate.POLICY_EMPTY)
def policy_without_hosts(w):
    w.require(hosts=())


@attack(Gate.POLICY_EMPTY)
def policy_that_wants_no_signer(w):
    w.require(threshold=0)


@attack(Gate.LOCAL_TRUST)
def local_trust_at_a_registry_stage(w):
    w.require(trust=Trust.LOCAL, rebuilders=0)
    for name in w.signed:
        w.say(name, key=world.MACHINE)


@attack(Gate.KEYRING_STALE)
def stale_list_of_revocations(w):
    w.keyring = replace(w.keyring, expires=NOW - DAY)


@attack(Gate.KEYRING_STALE)
def keyring_that_expires_this_second(w):
    w.keyring = replace(w.keyring, expires=NOW)


# --- the release


@attack(Refusal.SUBJECT_REVOKED)
def revoked_release(w):
    revoke(w, w.released.digest.text)


@attack(Refusal.SUBJECT_REVOKED)
def revoked_image_of_an_index(w):
    w.take(w.blobs.index(amd64=w.blobs.image()))
    revoke(w, w.image.digest.text)


@attack(Refusal.SUBJECT_REVOKED)
def rollback_to_a_revoked_digest(w):
    rollback(w)
    revoke(w, w.released.digest.text)


@attack(Gate.PLATFORM_MISSING)
def index_without_a_platform_that_the_stage_names(w):
    w.take(w.blobs.index(amd64=w.blobs.image()))
    w.require(platforms=("amd64", "arm64"))


@attack(Gate.PLATFORM_SEVERAL)
def index_with_two_images_for_one_platform(w):
    w.take(w.blobs.index(amd64=w.blobs.image(), amd64_other=w.blobs.image(salt="other")))


@attack(Gate.PLATFORM_OTHER)
def index_that_offers_an_image_for_another_platform(w):
    w.take(w.blobs.index(amd64=w.blobs.image("arm64")))


@attack(Gate.HOST_MISSING)
def index_of_which_one_platform_has_no_evidence(w):
    w.take(w.blobs.index(amd64=w.blobs.image(), arm64=w.blobs.image("arm64")))
    w.require(platforms=("amd64", "arm64"))
    del w.signed["verdict arm64"]


# --- signatures and keys


def revoke(w, what):
    revoked = (*w.keyring.revoked, Revocation(what=what, at=NOW - HOUR, reason="lost"))
    w.keyring = replace(w.keyring, revoked=revoked)


def rollback(w):
    """Let the release come back to the stage in which it stood."""
    store = "oci://registry/prod/web"
    accepted = w.acceptance(stage="prod", resourceUri=store, policy=policy_named("prod", world.PROD))
    w.signed["acceptance"] = (accepted, world.PROMOTER)
    w.standing = replace(w.standing, stage="prod", store=store, policy=None, live=OTHER, number=9)
    w.asked["is_back"] = True


def images_of(w):
    """Return what the acceptance says of images, to be changed."""
    return [dict(each) for each in w.signed["acceptance"][0]["predicate"][world.OURS + "images"]]


def policy_named(stage, digest):
    return {"uri": f"https://seatrial.dev/policy/v1/{stage}", "digest": {"sha256": digest.hex}}


def holders(w, name, **changes):
    """Change one holder of the keyring."""
    changed = tuple(replace(each, **changes) if each.name == name else each for each in w.keyring.holders)
    w.keyring = replace(w.keyring, holders=changed)


def rewrite(w, change, name="verdict"):
    """Change the bundle of a statement after it was signed."""
    document = evidence.bundle(*w.signed.pop(name))
    changed = change(document)
    w.raw.append(changed if isinstance(changed, bytes) else json.dumps(document).encode())


@attack(Refusal.KEY_REVOKED, Gate.HOST_MISSING)
def verdict_by_a_revoked_key(w):
    revoke(w, evidence.key_id(world.VERIFIER))


@attack(Refusal.KEY_REVOKED, Gate.ACCEPTANCE_MISSING)
def acceptance_by_a_revoked_key(w):
    revoke(w, evidence.key_id(world.PROMOTER))


@attack(Refusal.KEY_EXPIRED, Gate.HOST_MISSING)
def verdict_by_a_key_that_was_rotated_out(w):
    w.say(key=world.RETIRED)


@attack(Refusal.KEY_NOT_YET, Gate.HOST_MISSING)
def verdict_from_before_the_key_was_valid(w):
    holders(w, "ci", since=NOW - HOUR)


@attack(Refusal.KEY_ROLE, Gate.HOST_MISSING)
def verdict_by_a_promoter(w):
    w.say(key=world.PROMOTER)


@attack(Refusal.KEY_ROLE, Gate.ACCEPTANCE_MISSING)
def acceptance_by_a_verifier(w):
    w.say("acceptance", key=world.VERIFIER)


@attack(Refusal.KEY_ROLE, Gate.REBUILDERS)
def rebuild_by_a_verifier(w):
    w.say("rebuild", key=world.VERIFIER)


@attack(Gate.SIGNER_LOCAL, Gate.HOST_MISSING)
def verdict_by_the_key_of_this_machine_at_a_registry_stage(w):
    w.say(key=world.MACHINE)


@attack(Refusal.SIGNATURE_UNKNOWN, Gate.HOST_MISSING)
def verdict_by_a_key_that_nobody_trusts(w):
    w.say(key=evidence.MALLORY)


@attack(Refusal.HINT_OTHER_KEY, Gate.HOST_MISSING)
def hint_swapped(w):
    def change(document):
        other = evidence.key_id(world.SECOND)
        document["verificationMaterial"]["publicKey"]["hint"] = other
        document["dsseEnvelope"]["signatures"][0]["keyid"] = other

    rewrite(w, change)


@attack(Refusal.HINT_DISAGREES, Gate.HOST_MISSING)
def two_hints(w):
    def change(document):
        document["verificationMaterial"]["publicKey"]["hint"] = evidence.key_id(world.SECOND)

    rewrite(w, change)


@attack(Refusal.SIGNATURE_FORM, Gate.HOST_MISSING)
def raw_signature_for_der(w):
    def change(document):
        signature = document["dsseEnvelope"]["signatures"][0]
        one, two = decode_dss_signature(base64.b64decode(signature["sig"]))
        signature["sig"] = base64.b64encode(one.to_bytes(32) + two.to_bytes(32)).decode()

    rewrite(w, change)


@attack(Refusal.SIGNATURE_WRONG, Gate.HOST_MISSING)
def verdict_changed_after_it_was_signed(w):
    def change(document):
        payload = base64.b64decode(document["dsseEnvelope"]["payload"]).replace(b"on 2 hosts", b"on 9 hosts")
        document["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()

    rewrite(w, change)


@attack(Refusal.SIGNATURE_COUNT, Gate.HOST_MISSING)
def two_signatures(w):
    rewrite(w, lambda document: document["dsseEnvelope"].update(signatures=document["dsseEnvelope"]["signatures"] * 2))


@attack(Refusal.BASE64, Gate.HOST_MISSING)
def line_feed_in_base64(w):
    def change(document):
        document["dsseEnvelope"]["payload"] += "\n"

    rewrite(w, change)


@attack(Refusal.BASE64, Gate.HOST_MISSING)
def url_safe_base64(w):
    def change(document):
        envelope = document["dsseEnvelope"]
        envelope["payload"] = envelope["payload"].replace("+", "-").replace("/", "_")
        assert set("-_") & set(envelope["payload"])

    w.say(headline="a headline with ~~~ and ??? in it, so that either sign is needed")
    rewrite(w, change)


@attack(Refusal.JSON_DUPLICATE_KEY, Gate.HOST_MISSING)
def key_twice_in_the_bundle(w):
    before, after = b'{"mediaType"', b'{"mediaType": "", "mediaType"'
    rewrite(w, lambda document: json.dumps(document).encode().replace(before, after, 1))


@attack(Refusal.JSON_DUPLICATE_KEY, Gate.HOST_MISSING)
def key_twice_in_the_statement(w):
    before, after = b'"verdict": ', b'"verdict": "FAILED", "verdict": '
    raw = json.dumps(w.signed.pop("verdict")[0]).encode().replace(before, after, 1)
    w.raw.append(json.dumps(evidence.bundle(raw, world.VERIFIER)).encode())


@attack(Refusal.BUNDLE_FIELD, Gate.HOST_MISSING)
def unknown_field_of_the_bundle(w):
    rewrite(w, lambda document: document.update(trusted=True))


@attack(Refusal.STATEMENT_FIELD, Gate.HOST_MISSING)
def unknown_field_at_the_top_of_the_statement(w):
    statement, key = w.signed["verdict"]
    w.signed["verdict"] = ({**statement, "trusted": True}, key)


@attack(Refusal.PREDICATE_FORM, Gate.HOST_MISSING)
def unknown_field_of_the_verdict(w):
    w.say(trusted=True)


@attack(Refusal.SUBJECT_COUNT, Gate.HOST_MISSING)
def subject_added_to_a_verdict(w):
    statement, key = w.signed["verdict"]
    added = {"name": "other", "digest": {"sha256": OTHER.hex}}
    w.signed["verdict"] = ({**statement, "subject": [*statement["subject"], added]}, key)


@attack(Refusal.SUBJECT_OTHER, Gate.ACCEPTANCE_MISSING)
def subject_added_to_an_acceptance(w):
    statement, key = w.signed["acceptance"]
    added = {"name": "other", "digest": {"sha256": OTHER.hex}}
    w.signed["acceptance"] = ({**statement, "subject": [*statement["subject"], added]}, key)


@attack(Refusal.SUBJECT_OTHER, Gate.HOST_MISSING)
def verdict_of_another_image(w):
    statement, key = w.signed["verdict"]
    w.signed["verdict"] = ({**statement, "subject": [{"name": "web", "digest": {"sha256": OTHER.hex}}]}, key)


@attack(Gate.CLOCK_AHEAD, Gate.HOST_MISSING)
def verdict_from_the_future(w):
    w.say(verifiedOn="2100-01-01T00:00:00Z")
    holders(w, "ci", until=NOW + 300 * 365 * DAY)


@attack(Gate.CLOCK_AHEAD, Gate.ACCEPTANCE_MISSING)
def acceptance_from_ten_minutes_ahead(w):
    w.signed["acceptance"] = (w.acceptance(at=NOW + 600), world.PROMOTER)
    w.require(soak=None)


@attack(Gate.CLOCK_AHEAD, Gate.HOST_MISSING)
def statement_that_an_identity_of_a_moment_left_for_later(w):
    sigstore, (statement, _) = Sigstore(), w.signed.pop("verdict")
    workflow = Holder(
        name="workflow",
        key=Identity(subject=SUBJECT, issuer=ISSUER),
        roles=frozenset({Role.VERIFIER}),
        since=NOW - 300 * DAY,
        until=NOW + 300 * DAY,
    )
    w.keyring = replace(
        w.keyring, holders=(*w.keyring.holders, workflow), trust_root=json.dumps(sigstore.trust_root())
    )
    w.raw.append(json.dumps(sigstore.bundle(statement, at=NOW - 5 * DAY + 60, issued_at=NOW - 5 * DAY)).encode())


# --- what a statement says as a whole


@attack(Gate.IMAGE_OTHER)
def verdict_of_another_config_under_the_same_manifest(w):
    w.say(image={**world.told(w.image), "config": OTHER.text})


@attack(Gate.IMAGE_OTHER)
def verdict_of_other_archives_in_the_same_layers(w):
    w.say(image={**world.told(w.image), "diffIds": [OTHER.text]})


@attack(Gate.VERDICT_FORGED)
def passed_over_a_failed_host(w):
    hosts = [*w.signed["verdict"][0]["predicate"]["hosts"], world.host_word(world.DATED, "DIFFERENT", verdict="FAILED")]
    w.say(hosts=hosts)


@attack(Gate.VERDICT_FORGED)
def two_references(w):
    w.of_host(1, state="REFERENCE")


@attack(Gate.SUITE_OTHER)
def suite_emptied_under_the_same_image(w):
    w.say(suite=Digest.of(b"an empty suite").text)


@attack(Gate.NORMALIZATION_OTHER)
def normalization_that_masks_everything(w):
    w.say(normalization=Digest.of(b"all").text)


@attack(Gate.BEHAVIOR_OTHER)
def reference_that_behaves_otherwise_than_in_the_stage_before(w):
    w.say(behavior=OTHER.text)
    w.of_host(0, behavior=OTHER.text)
    w.require(hosts=(world.demanded(world.REFERENCE),))
    w.say("acceptance", **{world.OURS + "images": without_host_behaviors(w)})


def without_host_behaviors(w):
    """Return the images of the acceptance with a reference of another digest: only the name ties its behavior."""
    images = images_of(w)
    for each in images:
        first, *rest = each["hosts"]
        each["hosts"] = [first | {"digest": OTHER.text}, *rest]
    return images


@attack(Gate.UNSTABLE)
def unstable_test_beyond_the_cap(w):
    w.say(unstable=["tests/test_a.py::test_b"])


@attack(Gate.NOTHING_STABLE)
def every_test_unstable(w):
    w.require(unstable=100)
    w.say(unstable=[f"test_{number}" for number in range(4)])


@attack(Gate.NOT_HERMETIC)
def suite_that_reached_the_network(w):
    w.say(hermetic=False)


# --- what it says of one host


@attack(Gate.HOST_MISSING)
def host_dropped(w):
    w.say(hosts=w.signed["verdict"][0]["predicate"]["hosts"][:1])


@attack(Gate.HOST_MISSING)
def verdict_deleted(w):
    del w.signed["verdict"]


@attack(Gate.HOST_MISSING)
def failed_verdict_deleted(w):
    failed_host(w)
    w.signed["verdict of the others"] = (w.verdict(), world.SECOND)
    w.say("verdict of the others", hosts=w.signed["verdict"][0]["predicate"]["hosts"][:1])
    del w.signed["verdict"]


@attack(Gate.HOST_OTHER)
def host_file_emptied_under_the_same_name(w):
    emptied = Host(name="hardened", factors={})
    w.say(hosts=[world.host_word(world.REFERENCE, "REFERENCE"), world.host_word(emptied)])


@attack(Gate.HOST_OTHER)
def row_of_a_set_that_was_swapped(w):
    row, swapped = (Host(name="pairs-3", factors={"umask": level}) for level in ("0077", "0002"))
    w.require(hosts=(*w.policy.hosts, world.demanded(row)))
    w.say(hosts=[*w.signed["verdict"][0]["predicate"]["hosts"], world.host_word(swapped)])


@attack(Gate.HOST_FORGED)
def levels_dropped_under_the_digest_of_the_host(w):
    w.of_host(1, factors={})


@attack(Gate.HOST_NOT_PASSED)
def failed_host(w):
    w.say(verdict="FAILED")
    w.of_host(1, verdict="FAILED")


@attack(Gate.HOST_NOT_PASSED)
def inconclusive_host(w):
    w.say(verdict="INCONCLUSIVE")
    w.of_host(1, verdict="INCONCLUSIVE")


@attack(Gate.NOTHING_RAN)
def unavailable_host_of_a_set(w):
    w.of_host(1, state="UNAVAILABLE", runs=0)


@attack(Gate.NOTHING_RAN)
def host_without_a_run(w):
    w.of_host(1, runs=0)


@attack(Gate.NOTHING_PASSED)
def suite_of_which_all_was_skipped(w):
    w.of_host(1, tests={"skipped": 4})


@attack(Gate.STATE_FORGED)
def same_with_another_behavior(w):
    w.of_host(1, behavior=OTHER.text)
    w.say("acceptance", **{world.OURS + "images": without_hosts(w)})


@attack(Gate.STATE_FORGED)
def same_with_differences(w):
    w.of_host(1, differences=[world.difference(ignored="known")])
    w.require(ignores=None)


@attack(Gate.STATE_FORGED)
def different_without_differences(w):
    w.of_host(1, state="DIFFERENT")


def without_hosts(w):
    """Return the images of the acceptance, in which the reference alone was asked for."""
    images = images_of(w)
    w.say("acceptance", verifiedLevels=["SEATRIAL_HOSTS_1"])
    return [each | {"hosts": each["hosts"][:1]} for each in images]


@attack(Gate.BEHAVIOR_CHANGED)
def accepted_difference_that_became_another(w):
    w.require(ignores=None)
    w.of_host(1, state="DIFFERENT", behavior=OTHER.text, differences=[world.difference(ignored="known")])


@attack(Gate.HOST_DIFFERENT)
def difference_that_passed_as_advisory(w):
    accept_difference(w)
    w.of_host(1, differences=[world.difference()])


def accept_difference(w):
    """Let the stage before have taken the release with a difference on one host."""
    w.of_host(1, state="DIFFERENT", behavior=OTHER.text, differences=[world.difference(ignored="known")])
    images = images_of(w)
    images = [each | {"hosts": [each["hosts"][0], each["hosts"][1] | {"behavior": OTHER.text}]} for each in images]
    w.say("acceptance", **{world.OURS + "images": images})


@attack(Gate.IGNORE)
def ignored_difference_that_the_stage_does_not_accept(w):
    accept_difference(w)


@attack(Gate.IGNORE)
def ignored_difference_on_another_host_than_the_stage_accepts(w):
    accept_difference(w)
    w.require(ignores=(AllowedIgnore(test="*", host="dated"),))


@attack(Gate.IGNORE)
def ignored_difference_under_the_name_of_the_host_that_the_stage_accepts(w):
    accept_difference(w)
    w.require(ignores=(AllowedIgnore(test="*", host="dated"),))
    reference, hardened = w.signed["verdict"][0]["predicate"]["hosts"]
    w.say(hosts=[reference, {**hardened, "name": "dated"}])


@attack(Gate.IGNORE)
def differences_beyond_those_that_are_listed(w):
    accept_difference(w)
    w.require(ignores=(AllowedIgnore(test="*", host="hardened"),))
    w.of_host(1, more=7)


@attack(Gate.HOST_FLAKY)
def flaky_host(w):
    cause = {"state": "FLAKY", "factors": {}}
    w.of_host(1, state="FLAKY", differences=[world.difference(cause=cause)])


@attack(Gate.HOST_FLAKY)
def flaky_test_on_the_reference(w):
    w.of_host(0, differences=[world.difference(cause={"state": "FLAKY", "factors": {}})])


@attack(Gate.HOST_UNPROVEN)
def level_without_evidence(w):
    w.of_host(1, evidence={"capabilities": "none"})


@attack(Gate.HOST_UNPROVEN)
def level_with_empty_evidence(w):
    w.of_host(1, evidence={"capabilities": "none", "root-filesystem": ""})


@attack(Gate.FIDELITY_LOW)
def advisory_evidence_only(w):
    w.of_host(1, fidelity="advisory")


@attack(Gate.FIDELITY_LOW)
def limits_that_were_watched_where_native_is_wanted(w):
    w.require(fidelity=LeastFidelity.NATIVE)
    w.of_host(1, emulated=["memory"])


@attack(Gate.FIDELITY_LOW)
def level_that_can_only_be_imitated_as_native(w):
    w.require(fidelity=LeastFidelity.NATIVE, hosts=(world.demanded(world.DATED),))
    w.say(hosts=[world.host_word(world.REFERENCE, "REFERENCE"), world.host_word(world.DATED)])


@attack(Gate.FIDELITY_FORGED)
def emulated_level_that_is_called_native(w):
    w.of_host(1, emulated=["capabilities"])


@attack(Gate.FIDELITY_FORGED)
def watched_limit_that_is_called_native(w):
    w.of_host(0, evidence={"memory": "peak 12345678, watched"})


@attack(Gate.TOO_OLD)
def verdict_of_last_month(w):
    w.signed["verdict"] = (w.verdict(at=NOW - 30 * DAY), world.VERIFIER)


@attack(Gate.FAILED_SINCE)
def older_passed_beside_a_newer_failed(w):
    later(w, "again", world.VERIFIER)


@attack(Gate.FAILED_SINCE)
def failed_of_another_verifier_since(w):
    later(w, "again", world.SECOND)


@attack(Gate.FAILED_SINCE)
def failed_in_the_same_second(w):
    later(w, "again", world.SECOND, at=NOW - 2 * HOUR)


def later(w, name, key, at=NOW - HOUR):
    """Let a verifier say FAILED of one host, not before PASSED was said; the reference goes on to pass."""
    w.signed[name] = (w.verdict(at=at, verdict="FAILED"), key)
    w.of_host(1, name, verdict="FAILED", state="DIFFERENT", behavior=OTHER.text, differences=[world.difference()])


@attack(Gate.SIGNERS)
def one_signer_where_two_are_wanted(w):
    w.require(threshold=2)


@attack(Gate.SIGNERS)
def one_key_that_signs_twice(w):
    w.require(threshold=2)
    w.signed["again"] = (w.verdict(at=NOW - HOUR), world.VERIFIER)


@attack(Gate.SIGNERS)
def one_signer_with_a_key_and_the_one_that_took_its_place(w):
    w.require(threshold=2)
    holders(w, "retired", replaced_by="ci", until=NOW)
    w.signed["again"] = (w.verdict(at=NOW - HOUR), world.RETIRED)


@attack(Gate.SIGNERS_DIFFER)
def two_signers_that_saw_different_behaviors(w):
    differ(w)


@attack(Gate.SIGNERS_DIFFER)
def signer_that_saw_what_the_other_saw_and_another_behavior_since(w):
    differ(w)
    see_third(w, "before", world.VERIFIER, at=NOW - 3 * HOUR)


def differ(w):
    """Let two keys say PASSED of a host that behaved in two ways, at the first stage; its differences are accepted."""
    accept_difference(w)
    del w.signed["acceptance"]
    w.standing = None
    w.require(after=None, threshold=2, ignores=None)
    see_third(w, "more", world.SECOND, at=NOW - HOUR)


def see_third(w, name, key, at):
    """Let a verifier say PASSED of that host, which behaved in a third way."""
    w.signed[name] = (w.verdict(at=at), key)
    seen = [world.difference(ignored="known")]
    w.of_host(1, name, state="DIFFERENT", behavior=THIRD.text, differences=seen)


# --- what stands beside it


@attack(Gate.REBUILDERS)
def nobody_built_it_again(w):
    del w.signed["rebuild"]


@attack(Gate.REBUILDERS)
def rebuild_to_another_image(w):
    w.say("rebuild", result="DIFFERENT", rebuilt={"digest": {"sha256": OTHER.hex}})


@attack(Gate.REBUILDERS)
def one_rebuilder_that_signs_twice(w):
    w.require(rebuilders=2)
    w.signed["again"] = (w.rebuild(finishedOn="2027-01-15T07:00:00Z"), world.REBUILDER)


@attack(Gate.REBUILDER_BUILDER, Gate.REBUILDERS)
def builder_that_rebuilds_its_own_image(w):
    w.say("rebuild", key=world.BUILDER)


@attack(Gate.REBUILDERS)
def one_rebuilder_that_signs_with_the_key_that_took_the_place_of_its_first(w):
    w.require(rebuilders=2)
    holders(w, "second", roles=frozenset({Role.REBUILDER}), replaced_by="other-builder")
    w.signed["again"] = (w.rebuild(finishedOn="2027-01-15T07:00:00Z"), world.SECOND)


@attack(Gate.REBUILDER_BUILDER, Gate.REBUILDERS)
def builder_that_rebuilds_its_own_image_with_the_key_that_took_the_place_of_its_first(w):
    holders(w, "second", roles=frozenset({Role.REBUILDER}))
    holders(w, "builder", replaced_by="second")
    w.say("rebuild", key=world.SECOND)


@attack(Gate.REBUILDER_BUILDER)
def builder_that_rebuilds_and_whose_provenance_was_deleted(w):
    w.say("rebuild", key=world.BUILDER)
    del w.signed["provenance"]


@attack(Gate.REBUILDER_BUILDER)
def provenance_of_a_verifier_in_the_place_of_the_builders(w):
    w.say("rebuild", key=world.BUILDER)
    w.say("provenance", key=world.SECOND)


@attack(Gate.REBUILDER_BUILDER)
def provenance_of_a_revoked_key_in_the_place_of_the_builders(w):
    holders(w, "second", roles=frozenset({Role.BUILDER}))
    revoke(w, evidence.key_id(world.SECOND))
    w.say("rebuild", key=world.BUILDER)
    w.say("provenance", key=world.SECOND)


@attack(Gate.REBUILDER_BUILDER)
def provenance_of_a_key_that_is_not_valid_yet_in_the_place_of_the_builders(w):
    holders(w, "second", roles=frozenset({Role.BUILDER}), since=NOW + DAY)
    w.say("rebuild", key=world.BUILDER)
    w.say("provenance", key=world.SECOND)


@attack(Gate.REBUILDER_BUILDER)
def provenance_of_another_image_of_the_index(w):
    w.take(w.blobs.index(amd64=w.blobs.image(), arm64=w.blobs.image("arm64")))
    w.require(platforms=("amd64", "arm64"))
    holders(w, "second", roles=frozenset({Role.BUILDER}))
    w.say("provenance", key=world.SECOND)
    w.say("rebuild arm64", key=world.BUILDER)
    del w.signed["provenance arm64"]


@attack(Gate.REBUILDER_BUILDER, Gate.REBUILDERS)
def builder_without_its_role_that_rebuilds_its_own_image(w):
    w.say("rebuild", key=world.REBUILDER)
    w.signed["origin"] = (w.provenance(), world.REBUILDER)


@attack(Gate.REBUILDER_BUILDER, Gate.REBUILDERS)
def builder_of_the_whole_index_that_rebuilds_an_image_of_it(w):
    w.take(w.blobs.index(amd64=w.blobs.image()))
    w.signed["origin"] = (w.provenance(w.released), world.REBUILDER)


@attack(Gate.LINT_MISSING)
def image_that_nobody_linted(w):
    w.lint = {}


@attack(Gate.LINT_FOUND)
def image_with_a_secret(w):
    w.lint = {w.image.digest: Findings(errors=1, warnings=0)}


@attack(Gate.LINT_FOUND)
def image_with_a_warning_where_none_may_be(w):
    w.require(lint=LintDemand.WARNING)


# --- the stage before


@attack(Gate.STAGE_BEFORE)
def release_from_a_stage_further_before(w):
    accepted = w.acceptance(stage="dev", policy=policy_named("dev", world.TEST))
    w.signed["acceptance"] = (accepted, world.PROMOTER)
    w.standing = replace(w.standing, stage="dev")


@attack(Gate.STAGE_BEFORE)
def release_from_nowhere(w):
    w.standing = None


@attack(Gate.NOT_LIVE)
def tag_moved_in_the_stage_before(w):
    w.standing = replace(w.standing, live=OTHER)


@attack(Gate.NOT_LIVE)
def nothing_live_in_the_stage_before(w):
    w.standing = replace(w.standing, live=None)


@attack(Gate.ACCEPTANCE_MISSING)
def acceptance_deleted(w):
    del w.signed["acceptance"]


@attack(Gate.ACCEPTANCE_STAGE)
def acceptance_by_another_stage(w):
    accepted = w.acceptance(stage="dev", policy=policy_named("dev", world.TEST))
    w.signed["acceptance"] = (accepted, world.PROMOTER)


@attack(Gate.ACCEPTANCE_APP)
def acceptance_of_another_app(w):
    w.signed["acceptance"] = (w.acceptance(app="api"), world.PROMOTER)


@attack(Gate.ACCEPTANCE_STORE)
def acceptance_into_another_repository(w):
    w.signed["acceptance"] = (w.acceptance(resourceUri="oci://registry/sandbox/web"), world.PROMOTER)


@attack(Gate.ACCEPTANCE_RELEASE)
def acceptance_of_the_index_for_one_of_its_images(w):
    image = w.blobs.image()
    w.take(w.blobs.index(amd64=image))
    accepted = w.signed["acceptance"]
    w.take(image)
    w.signed["acceptance"] = accepted


@attack(Gate.ACCEPTANCE_IMAGE)
def acceptance_that_leaves_an_image_of_the_index_out(w):
    w.take(w.blobs.index(amd64=w.blobs.image(), arm64=w.blobs.image("arm64")))
    w.require(platforms=("amd64", "arm64"))
    w.say("acceptance", **{world.OURS + "images": images_of(w)[:1]})
    statement, key = w.signed["acceptance"]
    w.signed["acceptance"] = ({**statement, "subject": statement["subject"][:2]}, key)


@attack(Gate.ACCEPTANCE_IMAGE)
def acceptance_of_other_layers_under_the_same_manifest(w):
    images = [each | {"layers": [OTHER.text]} for each in images_of(w)]
    w.say("acceptance", **{world.OURS + "images": images})


@attack(Gate.ACCEPTANCE_POLICY)
def acceptance_by_a_policy_that_was_weaker(w):
    accepted = w.acceptance(policy=policy_named("test", Digest.of(b"weaker")))
    w.signed["acceptance"] = (accepted, world.PROMOTER)


@attack(Gate.ACCEPTANCE_NUMBER)
def replay_of_an_older_acceptance(w):
    w.signed["acceptance"] = (w.acceptance(number=3), world.PROMOTER)


@attack(Gate.ACCEPTANCE_EXPIRED)
def acceptance_that_has_expired(w):
    w.signed["acceptance"] = (w.acceptance(expires="2027-01-15T08:00:00Z"), world.PROMOTER)


@attack(Gate.ACCEPTANCE_EXPIRED)
def rollback_by_an_acceptance_that_has_expired(w):
    rollback(w)
    w.say("acceptance", **{world.OURS + "expires": "2027-01-14T08:00:00Z"})


@attack(Gate.ACCEPTANCE_STAGE)
def rollback_to_what_never_stood_there(w):
    accepted = w.signed["acceptance"]
    rollback(w)
    w.signed["acceptance"] = accepted
    w.standing = replace(w.standing, store="oci://registry/test/web")


@attack(Gate.SOAK)
def release_that_entered_the_stage_before_just_now(w):
    w.signed["acceptance"] = (w.acceptance(at=NOW - 60), world.PROMOTER)


@attack(Gate.SOAK)
def release_that_came_back_to_the_stage_before_just_now(w):
    w.signed["again"] = (w.acceptance(at=NOW - 60, number=5), world.PROMOTER)


@attack(
    Gate.NO_KEY,
    Gate.HOST_MISSING,
    Gate.ACCEPTANCE_MISSING,
    Gate.REBUILDERS,
    Gate.REBUILDER_BUILDER,
    Refusal.SIGNATURE_UNKNOWN,
)
def stage_of_a_keyring_without_one(w):
    w.keyring = None
    w.asked["local"] = None
