"""Judge: what was seen on each host becomes a verdict. Every row of CONTRACT section 5 is a branch here."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.verify.compare import EXIT_ID, Difference, Kind
from pipeline.verify.endings import FAILING, judge_endings
from pipeline.verify.explain import Cause, CauseState
from pipeline.verify.observe import Observation, SuiteFacts
from pipeline.verify.rules import Rules, judge_unstable
from pipeline.verify.suite import TestOutcome, TestReport, TestResult
from pipeline.verify.verdict import Finding, HostResult, State, VerdictWord
from pipeline.verify.wording import behaviors_text, tests
from runtime.host import Host
from runtime.outcome import Evidence, Fidelity

_ORDER = (VerdictWord.PASSED, VerdictWord.INCONCLUSIVE, VerdictWord.FAILED)
_TRUTH = (Fidelity.ADVISORY, Fidelity.EMULATED, Fidelity.NATIVE)


def worst(verdicts: Sequence[VerdictWord]) -> VerdictWord:
    """Return the worst of some verdicts. Of none it is INCONCLUSIVE: nothing was checked."""
    return max(verdicts, key=_ORDER.index, default=VerdictWord.INCONCLUSIVE)


def test_counts(report: TestReport) -> Mapping[str, int]:
    """Return outcome → how many tests had it."""
    return {str(outcome): report.count(outcome) for outcome in TestOutcome}


def untrusted(observation: Observation, host: Host, suite: SuiteFacts) -> tuple[str, ...]:
    """Return why a run says nothing of its host: a level without effect or proof, a shadowed app, a cut report."""
    reasons = [
        f"{name} was not in effect: {asked(host, name)}found {each.found or 'nothing'}"
        for name, each in sorted(observation.evidence.items())
        if not each.holds
    ]
    reasons += [
        f"nothing shows that {name}={level} was in effect"
        for name, level in host.differing.items()
        if name not in observation.evidence
    ]
    reasons += [
        f"the app got {each.module} from the suite ({each.loaded}) and not from the image ({each.image})"
        for each in observation.report.shadows
        if each.module not in suite.shadows
    ]
    report = observation.report
    if observation.exit.code == 0 and not report.complete:
        reasons.append(report.fault or "the program ended with exit 0 before the report of its tests did")
    return tuple(reasons)


def shadows_hint(observation: Observation, suite: SuiteFacts) -> str:
    """Return how a spec accepts the modules that the app got from the suite; empty if there are none."""
    found = {each.module for each in observation.report.shadows} - set(suite.shadows)
    names = ", ".join(sorted({*suite.shadows, *found}))
    return f"if that is meant, write `shadows: [{names}]` below `suite:`, and lock again" if found else ""


def asked(host: Host, name: str) -> str:
    """Return what was asked of a factor, where the host says it."""
    return f"asked for {host.factors[name]}, " if name in host.factors else ""


def judge_reference(
    host: Host, runs: Sequence[Observation], suite: SuiteFacts, rules: Rules, flaky: Sequence[Finding]
) -> HostResult:
    """Judge the reference by all its full runs.

    Args:
        host: the reference.
        runs: what was seen, at least once.
        suite: what was asked.
        rules: of the spec.
        flaky: its unstable tests, with their rates.
    """
    result = base_result(host, runs[0], State.REFERENCE)
    reasons = tuple(dict.fromkeys(reason for each in runs for reason in untrusted(each, host, suite)))
    if reasons:
        hint = next((text for each in runs if (text := shadows_hint(each, suite))), "")
        return replace(result, verdict=VerdictWord.INCONCLUSIVE, reasons=reasons, hint=hint)
    unstable = {each.difference.id for each in flaky}
    verdict, sentences = judge_endings(runs, unstable)
    failing = tuple(_failing(name, runs, rules, host) for name in always_failing(runs) if name not in unstable)
    if any(not each.ignored for each in failing):
        count = sum(not each.ignored for each in failing)
        sentence = f"{tests(count)} fail{'s' * (count == 1)} on the reference"
        # A limit that ended every run is why they fail, where the suite is told of by its exit alone.
        cut = sentences if all(not each.exit.is_own for each in runs) else ()
        verdict, sentences = VerdictWord.FAILED, (*cut, sentence)
    elif verdict is VerdictWord.PASSED:
        verdict, sentences = judge_unstable(rules, len([each for each in flaky if not each.ignored]))
    if verdict is VerdictWord.FAILED and result.fidelity is Fidelity.ADVISORY:  # an emulator's quirk may be the cause
        verdict = VerdictWord.INCONCLUSIVE
        sentences = (*sentences, "what an emulator shows is advisory, and fails nothing")
    return replace(result, verdict=verdict, reasons=sentences, findings=(*failing, *flaky))


def judge_host(
    host: Host,
    observation: Observation,
    findings: Sequence[Finding],
    *,
    suite: SuiteFacts,
    rules: Rules,
    named: bool = True,
) -> HostResult:
    """Judge a host by its first run and by what reruns said of its differences."""
    result = replace(base_result(host, observation, State.SAME), named=named)
    reasons = untrusted(observation, host, suite)
    if reasons:
        return replace(
            result,
            state=State.INCONCLUSIVE,
            verdict=VerdictWord.INCONCLUSIVE,
            reasons=reasons,
            hint=shadows_hint(observation, suite),
        )
    result = replace(result, findings=tuple(sorted(findings, key=_rank)), fidelity=fidelity(host, observation))
    counted = [each for each in findings if not each.ignored]
    different = [each for each in counted if each.cause is not None and _is_different(each.cause)]
    unclear = [each for each in counted if each.cause is None or _is_unclear(each.cause)]
    flaky = [each for each in counted if each not in different and each not in unclear]
    if different:
        return _different(result, host, observation, different)
    if unclear:
        reason = f"{behaviors_text(unclear)} could not be told from chance: {_why(unclear)}"
        return replace(result, state=State.INCONCLUSIVE, verdict=VerdictWord.INCONCLUSIVE, reasons=(reason,))
    if flaky:
        verdict, sentences = judge_unstable(rules, len(flaky))
        return replace(result, state=State.FLAKY, verdict=verdict, reasons=sentences)
    if findings:
        sentence = f"{behaviors_text(findings)} accepted by the spec: {findings[0].ignored}"
        return replace(result, state=State.DIFFERENT, reasons=(sentence,))
    return result


def unavailable(host: Host, reason: str, hint: str, *, named: bool) -> HostResult:
    """Judge a host that this machine cannot offer: INCONCLUSIVE where the spec or the stage names it."""
    verdict = VerdictWord.INCONCLUSIVE if named else VerdictWord.PASSED
    return replace(_nothing_ran(host, State.UNAVAILABLE, verdict, reason, hint), named=named)


def inconclusive(host: Host, reason: str, hint: str = "", *, named: bool = True) -> HostResult:
    """Judge a host of which nothing is known: its run was lost, or there was nothing to compare it with."""
    return replace(_nothing_ran(host, State.INCONCLUSIVE, VerdictWord.INCONCLUSIVE, reason, hint), named=named)


def always_failing(runs: Sequence[Observation]) -> tuple[str, ...]:
    """Return the ids of the tests that fail in every run, sorted."""
    return tuple(sorted(set.intersection(*(set(each.report.having(*FAILING)) for each in runs))))


def fidelity(host: Host, observation: Observation) -> Fidelity:
    """Return the least fidelity of a host's levels; of the reference's all."""
    names = host.differing or observation.evidence
    found = [_of(observation.evidence, name) for name in names]
    return min(found, key=_TRUTH.index, default=Fidelity.NATIVE)


def base_result(host: Host, observation: Observation, state: State) -> HostResult:
    """Return what is known of a host before it is judged."""
    return HostResult(
        name=host.name,
        digest=host.digest,
        factors=host.differing,
        state=state,
        tests=test_counts(observation.report),
        duration=observation.duration,
        fidelity=fidelity(host, observation),
        emulated=tuple(
            name for name, each in sorted(observation.evidence.items()) if each.fidelity is Fidelity.EMULATED
        ),
        evidence={name: each.found for name, each in sorted(observation.evidence.items())},
        ambient=observation.ambient,
        sandbox=observation.sandbox,
        calls=observation.calls,
        network=observation.network,
        shutdown=observation.shutdown,
    )


def _failing(name: str, runs: Sequence[Observation], rules: Rules, host: Host) -> Finding:
    result: TestResult = runs[0].report.tests[name]
    difference = Difference(
        kind=Kind.TEST,
        id=name,
        reference=str(result.outcome),
        here=str(result.outcome),
        message=result.message,
        file=result.file,
        line=result.line,
    )
    return Finding(difference=difference, ignored=rules.reason(name, host.name) or rules.reason(name, "reference"))


def _different(result: HostResult, host: Host, observation: Observation, findings: Sequence[Finding]) -> HostResult:
    sentence = f"{behaviors_text(findings)} differ{'s' * (len(findings) == 1)}"
    result = replace(result, state=State.DIFFERENT)
    if not all(_is_advisory(each.cause, host, observation) for each in findings):
        return replace(result, verdict=VerdictWord.FAILED, reasons=(sentence,))
    sentence += ", by levels that are advisory here"
    verdict = VerdictWord.INCONCLUSIVE if result.named else VerdictWord.PASSED
    return replace(result, verdict=verdict, reasons=(sentence,))


def _is_advisory(cause: Cause | None, host: Host, observation: Observation) -> bool:
    """Tell whether a difference rests on a level that an emulator's own quirks may disturb."""
    names = (cause.factors if cause is not None else {}) or host.differing
    return any(_of(observation.evidence, name) is Fidelity.ADVISORY for name in names)


def _of(evidence: Mapping[str, Evidence], name: str) -> Fidelity:
    return evidence[name].fidelity if name in evidence else Fidelity.NATIVE


def _is_different(cause: Cause) -> bool:
    return cause.state is CauseState.CAUSED or cause.confirmed


def _is_unclear(cause: Cause) -> bool:
    return cause.state is CauseState.INCONCLUSIVE and not cause.confirmed


def _why(findings: Sequence[Finding]) -> str:
    return next((each.cause.reason for each in findings if each.cause and each.cause.reason), "it was not rerun")


def _rank(finding: Finding) -> tuple[int, str, str]:
    cause = finding.cause
    if finding.ignored or cause is None:
        place = 3
    elif _is_different(cause):
        place = 0 if finding.difference.id != EXIT_ID else -1
    else:
        place = 1 if _is_unclear(cause) else 2
    return place, finding.difference.kind, finding.difference.id


def _nothing_ran(host: Host, state: State, verdict: VerdictWord, reason: str, hint: str) -> HostResult:
    return HostResult(
        name=host.name,
        digest=host.digest,
        factors=host.differing,
        state=state,
        verdict=verdict,
        reasons=(reason,),
        hint=hint,
    )
