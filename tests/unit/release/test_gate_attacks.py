"""Attacks on a gate: each is refused with its code, and with the one check disabled the gate lets it in."""

import contextlib
import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from gate_attacks import ATTACKS
from gate_world import World
from mutant import disabled

from pipeline.release.gate_refusal import Gate
from pipeline.release.refusal import Refusal

ACCEPTANCE = "pipeline.release.acceptance"
BEFORE = "pipeline.release.checks.stage_before"
BUNDLE = "pipeline.release.bundle"
DOCUMENTS = "pipeline.release.documents"
EVIDENCE = "pipeline.release.gate_evidence"
GATE = "pipeline.release.gate"
HOSTS = "pipeline.release.checks.hosts"
JSON = "runtime.oci.document"
KEYRING = "pipeline.release.keyring"
LINT = "pipeline.release.checks.lint"
PORTABILITY = "pipeline.release.portability"
PUBLIC = "pipeline.release.public_key"
REBUILDS = "pipeline.release.checks.rebuilds"
RELEASE = "pipeline.release.checks.release"
SIGNING = "pipeline.release.signing"
STATEMENTS = "pipeline.release.checks.statements"
TRUST = "pipeline.release.checks.trust"
WORDS = "pipeline.release.checks.words"

NEVER = "if False:"
HAS_SIGNED = "if each.has_signed(signed, envelope.signature):"
BELIEVED = (SIGNING, HAS_SIGNED, "if each.id == envelope.hint:")
COUNTS_EVERYWHERE = """
        own = Holder(name="local", key=local, roles=frozenset(Role), since=0, until=_NO_END)
        return Keyring(version=1, expires=_NO_END, roots=given.roots, holders=(*given.holders, own))
"""
NO_FAILED = (HOSTS, "if failed is None or word.claim.at > failed:", "if True:")
MUTANTS = {
    Gate.POLICY_EMPTY: [(TRUST, "if not policy.hosts or not policy.platforms or policy.threshold < 1:", NEVER)],
    Gate.LOCAL_TRUST: [(TRUST, "if policy.is_remote and policy.trust is Trust.LOCAL:", NEVER)],
    Gate.KEYRING_STALE: [
        (TRUST, "keyring is not None and now >= keyring.expires:", "False:"),
        (TRUST, "now >= keyring.expires:", "now > keyring.expires:"),
    ],
    Refusal.SUBJECT_REVOKED: [
        (
            KEYRING,
            'if found is not None:\n            message = f"the image',
            'if False:\n            message = f"the image',
        ),
        (RELEASE, "for digest in released.digests:", "for digest in released.digests[:1]:"),
    ],
    Gate.PLATFORM_MISSING: [(RELEASE, "if not images:\n", "if not images:\n            continue\n")],
    Gate.PLATFORM_SEVERAL: [
        (RELEASE, "elif len(images) > 1:", "elif False:", RELEASE, "if len(images) == 1)", "if images)")
    ],
    Gate.PLATFORM_OTHER: [(RELEASE, "elif images[0].architecture != architecture:", "elif False:")],
    Refusal.KEY_REVOKED: [(KEYRING, "if revocation is not None:", NEVER)],
    Refusal.KEY_EXPIRED: [(KEYRING, "if at >= found.until:", NEVER)],
    Refusal.KEY_NOT_YET: [(KEYRING, "if at < found.since:", NEVER)],
    Refusal.KEY_ROLE: [(KEYRING, "if not wanted & found.roles:", NEVER)],
    Gate.SIGNER_LOCAL: [
        (GATE, "        return given\n", COUNTS_EVERYWHERE),
    ],
    Refusal.SIGNATURE_UNKNOWN: [
        (
            *(SIGNING, HAS_SIGNED, f"{HAS_SIGNED[:-1]} or envelope.hint not in [key.id for key in keys]:"),
            *(SIGNING, "if key.id != envelope.hint:", NEVER),
        )
    ],
    Refusal.HINT_OTHER_KEY: [(SIGNING, "if key.id != envelope.hint:", NEVER)],
    Refusal.HINT_DISAGREES: [(BUNDLE, "if envelope.hint != hint:", NEVER)],
    Refusal.SIGNATURE_FORM: [
        (
            *BELIEVED,
            PUBLIC,
            "except ValueError:\n            return False",
            "except ValueError:\n            return True",
        )
    ],
    Refusal.SIGNATURE_WRONG: [BELIEVED],
    Refusal.SIGNATURE_COUNT: [(BUNDLE, "if len(signatures) != 1:", NEVER)],
    Refusal.BASE64: [
        (DOCUMENTS, "if encode_base64(content) != text:", NEVER),
        (
            DOCUMENTS,
            "text = require_text(value, what)\n    try:",
            'text = require_text(value, what).replace("-", "+").replace("_", "/")\n    try:',
        ),
    ],
    Refusal.JSON_DUPLICATE_KEY: [(JSON, "if key in found:", NEVER)],
    Refusal.BUNDLE_FIELD: [(DOCUMENTS, "if missing or unknown:", NEVER)],
    Refusal.STATEMENT_FIELD: [(DOCUMENTS, "if missing or unknown:", NEVER)],
    Refusal.PREDICATE_FORM: [(DOCUMENTS, "if missing or unknown:", NEVER)],
    Refusal.SUBJECT_COUNT: [(PORTABILITY, "if len(statement.subjects) != 1:", NEVER)],
    Refusal.SUBJECT_OTHER: [
        (ACCEPTANCE, "if tuple(each.digest for each in statement.subjects) != _subjects(found):", NEVER),
        (
            EVIDENCE,
            "if about.isdisjoint(trusted.digests):",
            NEVER,
            GATE,
            "if each.says.image == image.digest]",
            "if each.says.image]",
        ),
    ],
    Gate.CLOCK_AHEAD: [
        (EVIDENCE, "if at > trusted.now + TOLERANCE:", NEVER),
        (EVIDENCE, "if signed.until is not None and at > signed.until + TOLERANCE:", NEVER),
    ],
    Gate.IMAGE_OTHER: [
        (STATEMENTS, "if (says.config, says.layers, says.diff_ids) != (config, layers, image.diff_ids):", NEVER)
    ],
    Gate.VERDICT_FORGED: [
        (STATEMENTS, "if _ORDER.index(says.verdict) < _ORDER.index(worst):", NEVER),
        (STATEMENTS, "if [each.state is State.REFERENCE for each in says.hosts] != [", "if False and ["),
    ],
    Gate.SUITE_OTHER: [(STATEMENTS, "if says.suite != asked.pinned.suite:", NEVER)],
    Gate.NORMALIZATION_OTHER: [(STATEMENTS, "if says.normalization != asked.pinned.normalization:", NEVER)],
    Gate.BEHAVIOR_OTHER: [(STATEMENTS, "if says.behavior != asked.pinned.behavior:", NEVER)],
    Gate.UNSTABLE: [(STATEMENTS, "if count > most:", NEVER)],
    Gate.NOTHING_STABLE: [
        (STATEMENTS, "if says.hosts and len(set(says.unstable)) >= sum(says.hosts[0].tests.values()):", NEVER)
    ],
    Gate.NOT_HERMETIC: [(STATEMENTS, "if asked.policy.hermetic and not says.hermetic:", NEVER)],
    Gate.HOST_MISSING: [
        (HOSTS, "yield asked.suppliers.verified(Gate.HOST_MISSING, what, (host.name,))", "yield from ()"),
    ],
    Gate.HOST_OTHER: [
        (HOSTS, "if says.digest == host.digest:", "if says.name == host.name:"),
        (HOSTS, "yield asked.suppliers.verified(Gate.HOST_OTHER, what, (host.name,))", "yield from ()"),
    ],
    Gate.HOST_FORGED: [(WORDS, 'if Digest.of_json({"format": FORMAT,', 'if False and ({"format": FORMAT,')],
    Gate.HOST_NOT_PASSED: [
        (WORDS, "if word.says.verdict is not VerdictWord.PASSED:", NEVER),
        (WORDS, "if word.says.verdict is not VerdictWord.PASSED:", NEVER, *NO_FAILED),
    ],
    Gate.NOTHING_RAN: [
        (WORDS, "if word.says.behavior is None or not word.says.runs or word.says.state in _SILENT:", NEVER),
        (WORDS, " or not word.says.runs", ""),
    ],
    Gate.NOTHING_PASSED: [(WORDS, 'if not word.says.tests.get("passed"):', NEVER)],
    Gate.STATE_FORGED: [
        (WORDS, "if says.state in _ALIKE and says.behavior != word.claim.says.behavior:", NEVER),
        (WORDS, "if (says.state is State.SAME and has_some) or (", "if ("),
        (WORDS, " or (says.state in (State.DIFFERENT, State.FLAKY) and not has_some):", ":"),
    ],
    Gate.BEHAVIOR_CHANGED: [
        (
            WORDS,
            "if before is not None and word.says.state is not State.FLAKY and word.says.behavior != before:",
            NEVER,
        )
    ],
    Gate.HOST_DIFFERENT: [(WORDS, "if open_ones:", NEVER)],
    Gate.HOST_FLAKY: [
        (WORDS, "if asked.policy.flaky is FlakyPolicy.FAIL and (flaky or word.says.state is State.FLAKY):", NEVER),
        (WORDS, "(flaky or word.says.state is State.FLAKY)", "word.says.state is State.FLAKY"),
    ],
    Gate.IGNORE: [
        (WORDS, "if accepted:", NEVER),
        (WORDS, "host = word.host.name ", "host = word.says.name "),
        (WORDS, "if word.says.more and asked.policy.ignores is not None:", NEVER),
        ("pipeline.release.policy", " and fnmatchcase(host, _pattern(each.host))", ""),
    ],
    Gate.HOST_UNPROVEN: [
        (WORDS, "if missing:", NEVER),
        (WORDS, "if not word.says.evidence.get(name)]", "if name not in word.says.evidence]"),
    ],
    Gate.FIDELITY_LOW: [
        (WORDS, "if _TRUTH.index(found) < _TRUTH.index(wanted):", NEVER),
        (WORDS, "if word.says.emulated or any(", "if any("),
        (WORDS, 'if "runtime" not in word.host.factors:', NEVER),
    ],
    Gate.FIDELITY_FORGED: [
        (WORDS, "if says.fidelity is Fidelity.NATIVE and (watched | set(says.emulated)) & named:", NEVER),
        (WORDS, "(watched | set(says.emulated)) & named", "set(says.emulated) & named"),
        (WORDS, "(watched | set(says.emulated)) & named", "watched & named"),
    ],
    Gate.TOO_OLD: [
        (WORDS, "if most is not None and word.claim.at * 1000 < asked.now * 1000 - most:", NEVER),
    ],
    Gate.FAILED_SINCE: [NO_FAILED, (HOSTS, "word.claim.at > failed:", "word.claim.at >= failed:")],
    Gate.SIGNERS: [
        (HOSTS, "asked.policy.threshold\n        if good", "1\n        if good"),
        (HOSTS, "len({word.claim.holder.person for word in counted})", "len(counted)"),
        (HOSTS, "len({word.claim.holder.person for", "len({word.claim.holder.key for"),
    ],
    Gate.SIGNERS_DIFFER: [
        (HOSTS, "elif _signers(agreed) >= enough:", "elif _signers(counted) >= enough:"),
        (HOSTS, "_tells(newest[word.claim.holder.person], behavior)", "_tells(word, behavior)"),
    ],
    Gate.REBUILDERS: [
        (REBUILDS, "if len(others) >= wanted:", "if True:"),
        (REBUILDS, "and claim.says.result is Result.REPRODUCED", ""),
        (REBUILDS, "claim.holder.person: claim\n", "claim.bundle: claim\n"),
        (REBUILDS, "claim.holder.person: claim\n", "claim.holder.key.id: claim\n"),
    ],
    Gate.REBUILDER_BUILDER: [
        (REBUILDS, "and not _is_own(claim, asked, builders)", ""),
        (REBUILDS, "and not builders.known:", "and False:"),
        (EVIDENCE, "trusted.keyring.person(signed.key)", "str(signed.key)"),
        (EVIDENCE, "(Role.BUILDER,), at)", "tuple(Role), at)"),
        (KEYRING, "if revocation is not None:", NEVER),
        (KEYRING, "if at < found.since:", NEVER),
        (REBUILDS, "if image in each.about]", "if each.about]"),
        (REBUILDS, "each.about & {image, release})", "image in each.about)"),
        (REBUILDS, "each.about & {image, release})", "image in each.about and not each.problem)"),
    ],
    Gate.LINT_MISSING: [(LINT, "if found is None:\n", "if found is None:\n        return\n    if found is None:\n")],
    Gate.LINT_FOUND: [
        (LINT, "if counts:", NEVER),
        (LINT, " + (found.warnings if wanted is LintDemand.WARNING else 0)", ""),
    ],
    Gate.STAGE_BEFORE: [
        (
            GATE,
            "if standing is None or standing.stage != wanted:\n",
            "if standing is None:\n        return Came(acceptance=None, refusals=())\n    if False:\n",
        ),
    ],
    Gate.NOT_LIVE: [(BEFORE, "if not entry.is_back and entry.standing.live != entry.released.digest:", NEVER)],
    Gate.ACCEPTANCE_MISSING: [(BEFORE, "if not problems:", NEVER)],
    Gate.ACCEPTANCE_STAGE: [(BEFORE, "if says.stage != entry.standing.stage:", NEVER)],
    Gate.ACCEPTANCE_APP: [(BEFORE, "if says.app != entry.app:", NEVER)],
    Gate.ACCEPTANCE_STORE: [(BEFORE, "if says.store != entry.standing.store:", NEVER)],
    Gate.ACCEPTANCE_RELEASE: [(BEFORE, "if says.release != entry.released.digest:", NEVER)],
    Gate.ACCEPTANCE_IMAGE: [
        (BEFORE, "if found is None or (found.config, found.layers, found.diff_ids) != _parts(image):", NEVER),
        (BEFORE, "(found.config, found.layers, found.diff_ids) != _parts(image)", "False"),
    ],
    Gate.ACCEPTANCE_POLICY: [(BEFORE, "if wanted is not None and says.policy != wanted:", NEVER)],
    Gate.ACCEPTANCE_NUMBER: [(BEFORE, "if not entry.is_back and says.number < entry.standing.number:", NEVER)],
    Gate.ACCEPTANCE_EXPIRED: [
        (BEFORE, "if says.expires is not None and entry.now >= says.expires:", NEVER),
        (BEFORE, "entry.now >= says.expires", "entry.now > says.expires"),
    ],
    Gate.SOAK: [
        (BEFORE, "if wanted and left > 0:", NEVER),
        (BEFORE, "key=lambda each: (-each.says.number,", "key=lambda each: (each.says.number,"),
    ],
}
"""Code → the checks that give it: module, what the check reads, and what it reads where it is disabled.

Where a second check stands behind the first, both are disabled. That there is no key at all (``no-key``) is told, and
no check: without a key nothing counts.
"""

NO_CHECK = {Gate.NO_KEY}


@pytest.mark.bar("6 attacks on the gate")
@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_refused_with_its_code(name):
    attack, world = ATTACKS[name], World()
    attack.change(world)
    found = world.decide()
    assert found.accepted is None
    codes = {each.code for each in found.refusals}
    assert attack.code in codes <= {attack.code} | attack.also, codes
    for each in found.refusals:
        assert each.line.isprintable()
        assert re.match(r"\w", each.line), each.line


@pytest.mark.bar("6 mutants of the gate")
@pytest.mark.parametrize("code", MUTANTS, ids=str)
def test_attack_is_let_in_without_its_check(code):
    names = {name for name, each in ATTACKS.items() if each.code == code.value}
    entered = [_entered(names, mutant) for mutant in MUTANTS[code]]
    assert all(entered), entered
    assert set().union(*entered) == names


def test_every_code_of_the_gate_has_an_attack_and_a_mutant():
    codes = {each.code for each in ATTACKS.values()}
    assert codes == {each.value for each in (*MUTANTS, *NO_CHECK)}
    assert set(Gate) <= set(MUTANTS) | NO_CHECK


def test_no_two_attacks_are_the_same():
    seen = {}
    for name, attack in ATTACKS.items():
        world = World()
        attack.change(world)
        key = repr((world.question(), sorted(map(repr, world.signed.values())), sorted(world.raw)))
        assert seen.setdefault(key, name) == name


def test_release_that_attacks_change_is_let_in():
    found = World().decide()
    assert found.refusals == ()
    assert found.accepted is not None


def _entered(names, mutant):
    """Return the attacks that the gate lets in where a check is disabled."""
    found = set()
    with contextlib.ExitStack() as stack:
        for start in range(0, len(mutant), 3):
            stack.enter_context(disabled(*mutant[start : start + 3]))
        for name in names:
            world = World()
            ATTACKS[name].change(world)
            if world.decide().accepted is not None:
                found.add(name)
    return found
