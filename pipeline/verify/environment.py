"""Verify one environment: the reference, then each host, compared, explained, judged."""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace

from pipeline.verify.compare import Difference, Kind, compare, notes
from pipeline.verify.endings import is_broken
from pipeline.verify.events import (
    EnvironmentJudged,
    EnvironmentStarted,
    Event,
    Explaining,
    HostJudged,
    RunFinished,
    RunStarted,
    Tell,
)
from pipeline.verify.explain import Cause, CauseState, explain
from pipeline.verify.headline import headline
from pipeline.verify.inquiry import Choice, Inquiry
from pipeline.verify.judge import (
    inconclusive,
    judge_host,
    judge_reference,
    test_counts,
    unavailable,
    untrusted,
    worst,
)
from pipeline.verify.laboratory import Budget, Pair
from pipeline.verify.next_steps import next_step
from pipeline.verify.normalization import Normalization
from pipeline.verify.observe import Observation, behavior_digest
from pipeline.verify.patience import patient
from pipeline.verify.reference import learn, observe_reference, typical, unstable_tests
from pipeline.verify.reproduce import located, reproducer
from pipeline.verify.rules import ignore_uses
from pipeline.verify.schedule import Cell, LostRunError, Run, Runner
from pipeline.verify.suite import Results
from pipeline.verify.verdict import EnvironmentResult, Finding, HostResult, State, VerdictWord
from runtime.backend import Unsupported
from runtime.digest import Digest
from runtime.errors import FactorError
from runtime.host import Host
from runtime.plan import Plan

FLAKY_REPEATS = 20

INTERRUPTED = "the verification was interrupted"
"""Why nothing more is known of a host that was under way."""

Check = Callable[[Plan], Unsupported | None]


class Interrupted(Exception):  # noqa: N818 - it is no error
    """A signal ended the verification of an environment.

    Args:
        partial: what was found; hosts that did not end are INCONCLUSIVE.
    """

    def __init__(self, partial: EnvironmentResult) -> None:
        super().__init__("interrupted")
        self.partial = partial


def verify_environment(
    inquiry: Inquiry,
    *,
    runner: Runner,
    check: Check,
    clock: Callable[[], int],
    stop: threading.Event,
    tell: Tell = lambda _: None,
) -> EnvironmentResult:
    """Run the suite on the reference and on each host, and return what was found.

    Args:
        inquiry: what is asked.
        runner: makes the runs; hosts are tried in threads, and how many runs there are at once is its choice.
        check: tells why a plan cannot run here, or None.
        clock: milliseconds of a monotonic clock.
        stop: set when a signal arrives; the caller then closes the backend, which ends the runs under way.
        tell: is told what happens, one event at a time.

    Raises:
        Interrupted: KeyboardInterrupt arrived; it is the cause.
    """
    verification = _Environment(inquiry, runner=runner, check=check, clock=clock, tell=tell)
    try:
        return verification.verify()
    except KeyboardInterrupt as signal:
        stop.set()
        raise Interrupted(verification.result()) from signal
    except BaseException:
        stop.set()
        raise


class _Environment:
    """One environment under way."""

    def __init__(self, inquiry: Inquiry, *, runner: Runner, check: Check, clock: Callable[[], int], tell: Tell) -> None:
        self._inquiry = inquiry
        self._check = check
        self._clock = clock
        self._begin = clock()
        self._lock = threading.Lock()
        self._listener = tell
        self._runner = _TellingRunner(runner, inquiry.name, self._tell)
        self._runs: tuple[Observation, ...] = ()
        self._normalization = Normalization()
        self._reference: HostResult | None = None
        self._hosts: dict[int, HostResult] = {}
        self._begun: dict[tuple[str, Digest], HostResult] = {}

    def verify(self) -> EnvironmentResult:
        inquiry = self._inquiry
        names = (inquiry.reference.name, *(each.host.name for each in inquiry.hosts))
        self._tell(EnvironmentStarted(environment=inquiry.name, hosts=names))
        self._reference = self._try_reference()
        self._tell(HostJudged(environment=inquiry.name, result=self._reference))
        if self._runs and not is_broken(self._runs) and not self._is_untrusted():
            self._try_hosts()
        result = self.result("it was not run, since the reference gave nothing to compare with")
        self._tell(EnvironmentJudged(result=result))
        return result

    def result(self, why: str = INTERRUPTED) -> EnvironmentResult:
        """Return what is known so far; ``why`` is said of hosts that have no result."""
        inquiry = self._inquiry
        reference = self._reference or inconclusive(inquiry.reference, why)
        hosts = [self._hosts.get(index) or self._unfinished(choice, why) for index, choice in enumerate(inquiry.hosts)]
        everything = (reference, *hosts)
        verdict = worst([each.verdict for each in everything])
        ran = [each for each in hosts if each.state is not State.UNAVAILABLE]
        if not ran and verdict is VerdictWord.PASSED:
            verdict = VerdictWord.INCONCLUSIVE
            reason = "no host beside the reference could be tried" if hosts else "there is no host beside the reference"
            reference = replace(reference, verdict=verdict, reasons=(reason, *reference.reasons))
            everything = (reference, *hosts)
        return EnvironmentResult(
            name=inquiry.name,
            spec=inquiry.spec,
            lock=inquiry.lock,
            image=inquiry.image,
            suite=inquiry.suite.digest,
            normalization=self._normalization.digest if self._runs else None,
            unstable=tuple(sorted(self._normalization.unstable)),
            verdict=verdict,
            headline=headline(inquiry.name, verdict, everything),
            behavior=reference.behavior,
            tests=test_counts(self._runs[0].report) if self._runs else {},
            hosts=everything,
            reasons=_reasons(everything),
            hint=next((each.hint for each in everything if each.hint and each.verdict is verdict), ""),
            ignores=ignore_uses(inquiry.rules, everything),
            duration=self._clock() - self._begin,
            hermetic=inquiry.hermetic,
        )

    def _unfinished(self, choice: Choice, why: str) -> HostResult:
        """Return what is known of a host that has no result: what its first run showed, if that differs."""
        begun = self._begun.get((choice.host.name, choice.host.digest))
        return replace(begun, named=choice.named) if begun else inconclusive(choice.host, why, named=choice.named)

    def _is_untrusted(self) -> bool:
        return any(untrusted(each, self._inquiry.reference, self._inquiry.suite) for each in self._runs)

    def _tell(self, event: Event) -> None:
        with self._lock:
            self._listener(event)

    def _try_reference(self) -> HostResult:
        inquiry = self._inquiry
        reference = inquiry.reference
        try:
            plan = reference.apply(inquiry.plan)
        except FactorError as error:
            return unavailable(reference, error.message, error.hint, named=True)
        lacking = self._check(plan)
        if lacking is not None:
            return unavailable(reference, lacking.reason, lacking.hint, named=True)
        runs: list[Run] = []

        def run(index: int) -> Observation:
            runs.append(self._runner.run(Cell(plan=plan, host=reference, index=index)))
            return runs[-1].observation

        try:
            self._runs = observe_reference(run)
        except LostRunError as error:
            return inconclusive(reference, error.message, error.hint)
        self._normalization = learn(self._runs)
        flaky = [self._reference_finding(each) for each in unstable_tests(self._runs, self._normalization)]
        result = judge_reference(reference, self._runs, inquiry.suite, inquiry.rules, flaky)
        return replace(
            self._hinted(result, reference, self._runs[0]),
            behavior=behavior_digest(self._runs[0], self._normalization),
            runs=len(runs),
            cached=sum(each.is_cached for each in runs),
        )

    def _reference_finding(self, finding: Finding) -> Finding:
        name = self._inquiry.reference.name
        ignored = self._inquiry.rules.reason(finding.difference.id, name)
        command = self._reproducer(Host(name=name, factors={}), finding.difference, finding.cause, is_whole=True)
        return replace(finding, reproduce=command, ignored=ignored)

    def _try_hosts(self) -> None:
        inquiry = self._inquiry
        budget = Budget(runs=inquiry.runs, milliseconds=inquiry.milliseconds, clock=self._clock)
        order = list(range(len(inquiry.hosts)))
        random.Random(inquiry.seed).shuffle(order)  # noqa: S311 - an order, no secret
        # Threads are cheap, runs are not: the runner decides how many runs there are at once.
        pool = ThreadPoolExecutor(max_workers=max(1, len(order)), thread_name_prefix="host")
        try:
            futures: dict[Future[HostResult], int] = {
                pool.submit(self._try_host, inquiry.hosts[index], budget): index for index in order
            }
            for future in as_completed(futures):
                result = future.result()
                self._hosts[futures[future]] = result
                self._tell(HostJudged(environment=inquiry.name, result=result))
        except BaseException:
            # Runs under way end when the caller closes the backend; to wait for them here would be to wait for ever.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()

    def _try_host(self, choice: Choice, budget: Budget) -> HostResult:
        host = choice.host
        try:
            plan = host.apply(self._inquiry.plan)
        except FactorError as error:
            return unavailable(host, error.message, error.hint, named=choice.named)
        lacking = self._check(plan)
        if lacking is not None:
            return unavailable(host, lacking.reason, lacking.hint, named=choice.named)
        try:
            run = self._runner.run(Cell(plan=plan, host=host))
        except LostRunError as error:
            return inconclusive(host, error.message, error.hint, named=choice.named)
        seen = run.observation
        findings, runs, cached = self._findings(host, seen, budget)
        result = judge_host(
            host, seen, findings, suite=self._inquiry.suite, rules=self._inquiry.rules, named=choice.named
        )
        return replace(
            self._hinted(result, host, seen),
            behavior=behavior_digest(seen, self._normalization),
            runs=1 + runs,
            cached=run.is_cached + cached,
            notes=notes(self._runs, seen),
        )

    def _hinted(self, result: HostResult, host: Host, seen: Observation) -> HostResult:
        """Return the result with its next step, where its own findings do not show one."""
        is_cut = result.state is State.REFERENCE and not seen.exit.is_own
        told = result.verdict is VerdictWord.PASSED or (result.findings and not is_cut)
        return result if told or result.hint else replace(result, hint=next_step(self._inquiry, host, seen))

    def _findings(self, host: Host, seen: Observation, budget: Budget) -> tuple[list[Finding], int, int]:
        """Return what differs on a host and why, and how many runs that took, all and from the cache."""
        inquiry = self._inquiry
        if untrusted(seen, host, inquiry.suite):
            return [], 0, 0
        usual = typical(self._runs, self._normalization)
        differences = compare(usual, seen, self._normalization)
        accepted = {each: inquiry.rules.reason(each.id, host.name) for each in differences}
        findings = [Finding(difference=each, ignored=reason) for each, reason in accepted.items() if reason]
        open_ = [each for each, reason in accepted.items() if not reason]
        if not open_:
            return findings, 0, 0
        self._begun[host.name, host.digest] = self._unexplained(host, seen, findings, open_)
        self._tell(Explaining(environment=inquiry.name, host=host.name, differences=len(open_)))
        pair = Pair(
            plan=patient(inquiry.plan, usual, seen),
            reference=inquiry.reference,
            host=host,
            seen_reference=usual,
            seen_host=seen,
        )
        found = explain(
            open_,
            pair,
            runner=self._runner,
            budget=budget,
            normalization=self._normalization,
            seed=inquiry.seed,
        )
        for each, cause in found.causes.items():
            command = self._reproducer(host, each, cause, is_whole=each in found.whole_suite)
            findings.append(Finding(difference=each, cause=cause, reproduce=command))
        return findings, found.runs, found.cached

    def _unexplained(
        self, host: Host, seen: Observation, accepted: Sequence[Finding], differences: Sequence[Difference]
    ) -> HostResult:
        """Return the result of a host before its differences are rerun: it stands if that is interrupted."""
        cause = Cause(state=CauseState.INCONCLUSIVE, reason=INTERRUPTED)
        findings = [
            Finding(difference=each, cause=cause, reproduce=self._reproducer(host, each, None, is_whole=False))
            for each in differences
        ]
        suite, rules = self._inquiry.suite, self._inquiry.rules
        result = judge_host(host, seen, [*accepted, *findings], suite=suite, rules=rules)
        return replace(
            result, behavior=behavior_digest(seen, self._normalization), runs=1, notes=notes(self._runs, seen)
        )

    def _reproducer(self, host: Host, difference: Difference, cause: Cause | None, *, is_whole: bool) -> str:
        inquiry = self._inquiry
        is_one = difference.kind is Kind.TEST and inquiry.suite.results is Results.PYTEST and not is_whole
        is_flaky = cause is not None and cause.state is CauseState.FLAKY
        factors: Mapping[str, str] = cause.factors if cause is not None else {}
        return reproducer(
            spec=inquiry.spec,
            command=inquiry.suite.command,
            reference=inquiry.reference.name if inquiry.reference.differing else "",
            host="" if factors or not host.differing else host.name,
            factors=factors,
            test=located(difference.id, self._runs[0].report.root, inquiry.plan.workdir) if is_one else "",
            repeat=FLAKY_REPEATS if is_flaky else 1,
            expect=f"{difference.id}={difference.reference}" if difference.kind is Kind.ARTIFACT else "",
        )


class _TellingRunner:
    """A runner that tells of each run."""

    def __init__(self, runner: Runner, environment: str, tell: Tell) -> None:
        self._runner = runner
        self._environment = environment
        self._tell = tell

    def run(self, cell: Cell) -> Run:
        self._tell(RunStarted(environment=self._environment, host=cell.host.name, index=cell.index))
        run = self._runner.run(cell)
        self._tell(
            RunFinished(
                environment=self._environment,
                host=cell.host.name,
                index=cell.index,
                is_cached=run.is_cached,
                duration=run.observation.duration,
            )
        )
        return run


def _reasons(hosts: Sequence[HostResult]) -> tuple[str, ...]:
    """Return the reasons of all hosts whose verdict is not PASSED, the worst first."""
    ranked = [
        f"{host.name}: {reason}"
        for verdict in (VerdictWord.FAILED, VerdictWord.INCONCLUSIVE)
        for host in hosts
        if host.verdict is verdict
        for reason in host.reasons
    ]
    return tuple(ranked)
