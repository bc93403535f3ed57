"""``Trial``: one host, run, compared with the reference, explained and judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pipeline.verify.baseline import Baseline
from pipeline.verify.compare import Difference, Kind
from pipeline.verify.events import Explaining, Tell
from pipeline.verify.explain import Cause, CauseState, explain
from pipeline.verify.foresight import Foresight
from pipeline.verify.inquiry import Choice, Inquiry
from pipeline.verify.judge import inconclusive, judge_host, unavailable, untrusted
from pipeline.verify.laboratory import Budget, Pair
from pipeline.verify.next_steps import next_step
from pipeline.verify.observe import Observation
from pipeline.verify.reproduce import located, reproducer
from pipeline.verify.schedule import Cell, LostRunError, Runner
from pipeline.verify.suite import Results
from pipeline.verify.verdict import Finding, HostResult, State, VerdictWord
from runtime.backend import Unsupported
from runtime.errors import FactorError
from runtime.host import Host
from runtime.plan import Plan

FLAKY_REPEATS = 20

Check = Callable[[Plan], Unsupported | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of a host.

    Args:
        result: as judged; its behavior digest and its notes wait for all that is learned of the reference.
        seen: its first run; None if there was none.
    """

    result: HostResult
    seen: Observation | None = None


class Trial:
    """Tries hosts, each in a thread.

    Args:
        inquiry: what is asked.
        baseline: what hosts are compared with.
        runner: makes the runs.
        check: tells why a plan cannot run here, or None.
        budget: for finding causes, shared by all hosts.
        foresight: says where to look for causes first.
        tell: is told of each host that differs.
    """

    def __init__(
        self,
        inquiry: Inquiry,
        *,
        baseline: Baseline,
        runner: Runner,
        check: Check,
        budget: Budget,
        foresight: Foresight,
        tell: Tell,
    ) -> None:
        self._inquiry = inquiry
        self._baseline = baseline
        self._runner = runner
        self._check = check
        self._budget = budget
        self._foresight = foresight
        self._tell = tell

    def run(self, choice: Choice, is_wanted: Callable[[], bool]) -> Tried | None:
        """Run a host and judge it.

        Args:
            choice: the host.
            is_wanted: tells after the run, as soon as it is known, whether the reference can be compared with.

        Returns:
            None if it cannot.
        """
        host = choice.host
        try:
            plan = host.apply(self._inquiry.plan)
        except FactorError as error:
            return Tried(result=unavailable(host, error.message, error.hint, named=choice.named))
        lacking = self._check(plan)
        if lacking is not None:
            return Tried(result=unavailable(host, lacking.reason, lacking.hint, named=choice.named))
        try:
            run = self._runner.run(Cell(plan=plan, host=host))
            if not is_wanted():
                return None
            findings, runs, cached = self._findings(host, run.observation)
        except LostRunError as error:
            return Tried(result=inconclusive(host, error.message, error.hint, named=choice.named))
        result = self._judged(choice, run.observation, findings)
        result = replace(result, runs=1 + runs, cached=run.is_cached + cached)
        return Tried(result=result, seen=run.observation)

    def hinted(self, result: HostResult, host: Host, seen: Observation) -> HostResult:
        """Return a result with its next step, where its own findings do not show one."""
        is_cut = result.state is State.REFERENCE and not seen.exit.is_own
        told = result.verdict is VerdictWord.PASSED or (result.findings and not is_cut)
        return result if told or result.hint else replace(result, hint=next_step(self._inquiry, host, seen))

    def reproducer(self, host: Host, difference: Difference, cause: Cause | None, *, is_whole: bool) -> str:
        """Return the command that shows a difference again; ``is_whole`` if it takes the whole suite."""
        inquiry = self._inquiry
        is_one = difference.kind is Kind.TEST and inquiry.suite.results is Results.PYTEST and not is_whole
        is_flaky = cause is not None and cause.state is CauseState.FLAKY
        factors: Mapping[str, str] = cause.factors if cause is not None else {}
        root = self._baseline.first().report.root
        return reproducer(
            spec=inquiry.spec,
            command=inquiry.suite.command,
            reference=inquiry.reference.name if inquiry.reference.differing else "",
            host="" if factors or not host.differing else host.name,
            factors=factors,
            test=located(difference.id, root, inquiry.plan.workdir) if is_one else "",
            repeat=FLAKY_REPEATS if is_flaky else 1,
        )

    def _judged(self, choice: Choice, seen: Observation, findings: list[Finding]) -> HostResult:
        inquiry = self._inquiry
        result = judge_host(choice.host, seen, findings, suite=inquiry.suite, rules=inquiry.rules, named=choice.named)
        return self.hinted(result, choice.host, seen)

    def _findings(self, host: Host, seen: Observation) -> tuple[list[Finding], int, int]:
        """Return what differs on a host and why, and how many runs that took, all and from the cache."""
        inquiry = self._inquiry
        if untrusted(seen, host, inquiry.suite):
            return [], 0, 0
        differences = self._baseline.differences(seen)
        accepted = {each: inquiry.rules.reason(each.id, host.name) for each in differences}
        findings = [Finding(difference=each, ignored=reason) for each, reason in accepted.items() if reason]
        open_ = [each for each, reason in accepted.items() if not reason]
        if not open_:
            return findings, 0, 0
        self._tell(Explaining(environment=inquiry.name, host=host.name, differences=len(open_)))
        known = self._baseline.settle()
        pair = Pair(
            plan=inquiry.plan,
            reference=inquiry.reference,
            host=host,
            seen_reference=known.usual,
            seen_host=seen,
        )
        found = explain(
            open_,
            pair,
            runner=self._runner,
            budget=self._budget,
            normalization=known.normalization,
            seed=inquiry.seed,
            foresee=self._foresight.on(host, open_, seen),
        )
        for each, cause in found.causes.items():
            command = self.reproducer(host, each, cause, is_whole=each in found.whole_suite)
            findings.append(Finding(difference=each, cause=cause, reproduce=command))
        return findings, found.runs, found.cached
