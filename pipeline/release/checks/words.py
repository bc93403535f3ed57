"""What a statement has to say of a host, so that its PASSED counts; what can be computed again is not believed."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from pipeline.declare.values import FlakyPolicy
from pipeline.release.checks.asked import Asked, Word
from pipeline.release.gate_refusal import Gate, GateRefusal
from pipeline.release.keyring import print_time
from pipeline.verify.verdict import State, VerdictWord
from runtime.digest import Digest
from runtime.factors import factor
from runtime.host import FORMAT
from runtime.outcome import Fidelity

WATCHED = ", watched"
"""How the evidence of a limit ends that no kernel enforced: the run was watched, and stayed below it."""

_TRUTH = (Fidelity.ADVISORY, Fidelity.EMULATED, Fidelity.NATIVE)
_SILENT = (State.INCONCLUSIVE, State.UNAVAILABLE)
_ALIKE = (State.REFERENCE, State.SAME)
_FLAKY = "FLAKY"
_FRESH = frozenset({Gate.TOO_OLD})


def refusals_of(word: Word, asked: Asked) -> Iterator[GateRefusal]:
    """Yield why what a statement says of a host does not count."""
    for code, check in CHECKS.items():
        problem = check(word, asked)
        if problem:
            what = f"{word.host.name}: the verdict of {word.claim.holder.name} does not count: {problem}"
            yield asked.suppliers.verified(code, what, (word.host.name,), fresh=code in _FRESH)


def fidelity(word: Word) -> Fidelity:
    """Return the least of a host's levels, limits held by watching included, as far as it can be known from outside.

    What the statement says is the most that it can be: a level that the native runtime can only imitate, a factor that
    was emulated, and a limit that was watched make it less.
    """
    found = [word.says.fidelity]
    if word.says.emulated or any(each.endswith(WATCHED) for each in word.says.evidence.values()):
        found.append(Fidelity.EMULATED)
    if "runtime" not in word.host.factors:
        # Which architecture a machine has is not known here, so that it may have been the real one.
        levels = {name: level for name, level in word.host.factors.items() if name != "architecture"}
        found += [factor(name).fidelity(level) for name, level in levels.items()]
    return min(found, key=_TRUTH.index)


def _digest(word: Word, asked: Asked) -> str:  # noqa: ARG001 - as every check
    if Digest.of_json({"format": FORMAT, "factors": dict(word.says.factors)}) != word.says.digest:
        return "the digest of the host is not that of the levels that it names"
    return ""


def _passed(word: Word, asked: Asked) -> str:  # noqa: ARG001
    if word.says.verdict is not VerdictWord.PASSED:
        return f"it says {word.says.verdict} ({word.says.state})"
    return ""


def _ran(word: Word, asked: Asked) -> str:  # noqa: ARG001
    if word.says.behavior is None or not word.says.runs or word.says.state in _SILENT:
        return f"nothing ran there ({word.says.state})"
    return ""


def _tests(word: Word, asked: Asked) -> str:  # noqa: ARG001
    if not word.says.tests.get("passed"):
        return "no test passed there"
    return ""


def _state(word: Word, asked: Asked) -> str:  # noqa: ARG001
    says, has_some = word.says, bool(word.says.differences or word.says.more)
    if says.state in _ALIKE and says.behavior != word.claim.says.behavior:
        return f"it says {says.state}, and the behavior is not the reference's"
    if (says.state is State.SAME and has_some) or (says.state in (State.DIFFERENT, State.FLAKY) and not has_some):
        return f"it says {says.state}, and lists {'some' if has_some else 'no'} differences"
    return ""


def _behavior(word: Word, asked: Asked) -> str:
    before = asked.pinned.hosts.get(word.host.digest)
    if before is not None and word.says.state is not State.FLAKY and word.says.behavior != before:
        return f"the behavior is not {before.short}, which the stage before took"
    return ""


def _different(word: Word, asked: Asked) -> str:  # noqa: ARG001
    open_ones = [each.id for each in word.says.differences if not each.ignored and each.cause != _FLAKY]
    if open_ones:
        return f"{len(open_ones)} behaviors differ, {open_ones[0]} first"
    return ""


def _flaky(word: Word, asked: Asked) -> str:
    flaky = [each.id for each in word.says.differences if not each.ignored and each.cause == _FLAKY]
    if asked.policy.flaky is FlakyPolicy.FAIL and (flaky or word.says.state is State.FLAKY):
        return f"{len(flaky)} tests are flaky there"
    return ""


def _ignores(word: Word, asked: Asked) -> str:
    host = word.host.name  # the stage's own: who signs may call the host what it likes
    accepted = [each.id for each in word.says.differences if each.ignored and not asked.policy.allows(each.id, host)]
    if accepted:
        return f"its spec accepts that {accepted[0]} differs, and this stage does not"
    if word.says.more and asked.policy.ignores is not None:
        return f"{word.says.more} differences are not listed, so nobody can tell whether they are accepted here"
    return ""


def _proven(word: Word, asked: Asked) -> str:  # noqa: ARG001
    missing = [name for name in word.host.factors if not word.says.evidence.get(name)]
    if missing:
        return f"nothing shows that {missing[0]}={word.host.factors[missing[0]]} was in effect"
    return ""


def _honest(word: Word, asked: Asked) -> str:  # noqa: ARG001
    says = word.says
    watched = {name for name, found in says.evidence.items() if found.endswith(WATCHED)}
    named = set(says.factors) or set(says.evidence)
    if says.fidelity is Fidelity.NATIVE and (watched | set(says.emulated)) & named:
        return "it says native, and names levels that were emulated"
    return ""


def _fidelity(word: Word, asked: Asked) -> str:
    found, wanted = fidelity(word), Fidelity(asked.policy.fidelity.value)
    if _TRUTH.index(found) < _TRUTH.index(wanted):
        return f"its levels are {found}, and {wanted} is wanted"
    return ""


def _age(word: Word, asked: Asked) -> str:
    most = asked.policy.max_age
    if most is not None and word.claim.at * 1000 < asked.now * 1000 - most:
        return f"it is of {print_time(word.claim.at)}, which is too long ago"
    return ""


CHECKS: Mapping[Gate, Callable[[Word, Asked], str]] = MappingProxyType(
    {
        Gate.HOST_FORGED: _digest,
        Gate.HOST_NOT_PASSED: _passed,
        Gate.NOTHING_RAN: _ran,
        Gate.NOTHING_PASSED: _tests,
        Gate.STATE_FORGED: _state,
        Gate.BEHAVIOR_CHANGED: _behavior,
        Gate.HOST_DIFFERENT: _different,
        Gate.HOST_FLAKY: _flaky,
        Gate.IGNORE: _ignores,
        Gate.HOST_UNPROVEN: _proven,
        Gate.FIDELITY_FORGED: _honest,
        Gate.FIDELITY_LOW: _fidelity,
        Gate.TOO_OLD: _age,
    }
)
"""Code → the check, which returns what is wrong, or nothing."""
