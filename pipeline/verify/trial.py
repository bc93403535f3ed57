"""``Trial``: a host, run and compared with the reference, then explained and judged."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.verify.baseline import Baseline
from pipeline.verify.compare import Difference, Key, Kind, behaviors
from pipeline.verify.events import Explaining, Tell
from pipeline.verify.explain import Cause, CauseState, explain
from pipeline.verify.foresight import Foresight
from pipeline.verify.inquiry import Choice, Inquiry
from pipeline.verify.judge import inconclusive, judge_host, unavailable, untrusted
from pipeline.verify.laboratory import Budget, Pair
from pipeline.verify.next_steps import left_behind, next_step
from pipeline.verify.observe import Observation
from pipeline.verify.patience import patient
from pipeline.verify.proven import Proven
from pipeline.verify.reproduce import located, reproducer
from pipeline.verify.schedule import Cell, LostRunError, Run, Runner
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
        result: as judged, but its behavior digest and its notes, which wait for all that is learned of the reference.
        seen: its first run; None if there was none.
    """

    result: HostResult
    seen: Observation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Differing:
    """A host that behaves differently, and why is not known yet.

    Args:
        choice: the host.
        run: its first run.
        differences: what is to be explained.
        accepted: what differs too, and the spec accepts.
    """

    choice: Choice
    run: Run
    differences: tuple[Difference, ...]
    accepted: tuple[Finding, ...] = ()


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

    def run(self, choice: Choice, is_wanted: Callable[[], bool]) -> Run | Tried | None:
        """Run a host.

        Args:
            choice: the host.
            is_wanted: tells after the run, as soon as it is known, whether the reference can be compared with.

        Returns:
            The run, to be compared; what became of the host without one; None if the reference cannot be compared with.
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
            return run if is_wanted() else None
        except LostRunError as error:
            if not is_wanted():  # what loses every run is told once, of the reference
                return None
            return Tried(result=inconclusive(host, error.message, error.hint, named=choice.named))

    def compare(self, choice: Choice, run: Run) -> Tried | Differing:
        """Compare a run of a host with the reference."""
        inquiry, host, seen = self._inquiry, choice.host, run.observation
        try:
            differences = () if untrusted(seen, host, inquiry.suite) else self._baseline.differences(seen)
        except LostRunError as error:  # one of the further runs of the reference
            return Tried(result=inconclusive(host, error.message, error.hint, named=choice.named))
        accepted = {each: inquiry.rules.reason(each.id, host.name) for each in differences}
        findings = tuple(Finding(difference=each, ignored=reason) for each, reason in accepted.items() if reason)
        open_ = tuple(each for each, reason in accepted.items() if not reason)
        if not open_:
            return self._judged(choice, run, findings)
        self._tell(Explaining(environment=inquiry.name, host=host.name, differences=len(open_)))
        return Differing(choice=choice, run=run, differences=open_, accepted=findings)

    def explain(self, host: Differing, proven: Proven) -> Tried:
        """Explain what differs on a host, and judge it.

        Args:
            host: what was seen of it.
            proven: causes that hosts before it have shown.
        """
        known = self._baseline.settle()
        found = explain(
            host.differences,
            self._pair(host),
            runner=self._runner,
            budget=self._budget,
            normalization=known.normalization,
            seed=self._inquiry.seed,
            proven=proven,
            foresee=self._foresight.on(host.choice.host, host.differences, host.run.observation),
        )
        findings = [
            Finding(
                difference=each,
                cause=cause,
                reproduce=self.reproducer(host.choice.host, each, cause, is_whole=each in found.whole_suite),
            )
            for each, cause in found.causes.items()
        ]
        return self._judged(host.choice, host.run, (*host.accepted, *findings), runs=found.runs, cached=found.cached)

    def is_proven(self, host: Differing, proven: Proven) -> bool:
        """Tell whether every difference of a host has a cause that hosts before it have shown."""
        pair = self._pair(host)
        shown = behaviors(host.run.observation, self._baseline.settle().normalization)
        is_whole = self._inquiry.suite.results is not Results.PYTEST
        return all(
            proven.of((each.kind, each.id), shown.get((each.kind, each.id), ""), pair, whole=is_whole)
            for each in host.differences
        )

    def _pair(self, host: Differing) -> Pair:
        known = self._baseline.settle()
        return Pair(
            plan=patient(self._inquiry.plan, known.usual, host.run.observation),
            reference=self._inquiry.reference,
            host=host.choice.host,
            seen_reference=known.usual,
            seen_host=host.run.observation,
        )

    def unexplained(self, host: Differing, why: str) -> Tried:
        """Judge a host whose differences were not rerun to their end.

        Args:
            host: what was seen of it.
            why: what kept them from it.
        """
        cause = Cause(state=CauseState.INCONCLUSIVE, reason=why)
        findings = [
            Finding(
                difference=each,
                cause=cause,
                reproduce=self.reproducer(host.choice.host, each, None, is_whole=False),
            )
            for each in host.differences
        ]
        return self._judged(host.choice, host.run, (*host.accepted, *findings))

    def hinted(self, result: HostResult, host: Host, seen: Observation) -> HostResult:
        """Return a result with its next step, where its own findings do not show one."""
        is_reference = result.state is State.REFERENCE
        if is_reference and result.verdict is VerdictWord.FAILED and (lacking := left_behind(self._inquiry, seen)):
            return replace(result, hint=lacking)
        is_cut = is_reference and not seen.exit.is_own
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
            expect=f"{difference.id}={difference.reference}" if difference.kind is Kind.ARTIFACT else "",
        )

    def _judged(
        self, choice: Choice, run: Run, findings: Sequence[Finding], *, runs: int = 0, cached: int = 0
    ) -> Tried:
        """Return a host as judged; ``runs`` are its reruns, and ``cached`` those of them that were known before."""
        inquiry, host, seen = self._inquiry, choice.host, run.observation
        judged = judge_host(host, seen, findings, suite=inquiry.suite, rules=inquiry.rules, named=choice.named)
        result = replace(self.hinted(judged, host, seen), runs=1 + runs, cached=run.is_cached + cached)
        return Tried(result=result, seen=seen)


def in_turns(hosts: Iterable[Differing]) -> tuple[tuple[Differing, ...], ...]:
    """Return groups of hosts that share no behavior to explain; in each the host of the fewest levels comes first.

    Those of one group are explained in turns, so that a cause that is proven for one need not be for the next.
    """
    groups: list[list[Differing]] = []
    for host in hosts:
        near = [group for group in groups if any(_keys(each) & _keys(host) for each in group)]
        groups = [group for group in groups if group not in near]
        groups.append([*(each for group in near for each in group), host])
    return tuple(tuple(sorted(group, key=lambda each: len(each.choice.host.differing))) for group in groups)


def _keys(host: Differing) -> set[Key]:
    return {(each.kind, each.id) for each in host.differences}
