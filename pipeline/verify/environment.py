"""Verify one environment: the reference beside the hosts, each compared, explained, judged."""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace
from itertools import compress
from types import MappingProxyType

from pipeline.verify.baseline import Baseline
from pipeline.verify.conclude import conclude_environment
from pipeline.verify.endings import is_broken
from pipeline.verify.events import EnvironmentJudged, EnvironmentStarted, Event, HostJudged, Tell
from pipeline.verify.foresight import Foresight, KnownRuns
from pipeline.verify.inquiry import Inquiry
from pipeline.verify.judge import inconclusive, judge_reference, unavailable, untrusted
from pipeline.verify.laboratory import Budget
from pipeline.verify.notes import notes
from pipeline.verify.observe import Observation, behavior_record
from pipeline.verify.proven import Proven
from pipeline.verify.reference import Witness, unstable_tests
from pipeline.verify.schedule import Cell, LostRunError, Run, Runner
from pipeline.verify.telling import TellingRunner
from pipeline.verify.trial import Check, Differing, Trial, Tried, in_turns
from pipeline.verify.verdict import EnvironmentResult, Finding, HostResult, VerdictWord
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.errors import FactorError
from runtime.factors import FACTORS
from runtime.factors.signs import Speaking
from runtime.host import Host
from runtime.plan import Plan

Cost = Callable[[Plan], int]
"""Ranks plans by what a run of each takes beside the suite; the least comes first."""

_PUT_OFF = "it was not run, since --fail-fast ends a verification with the first host that fails"
_NOTHING_TO_COMPARE = "it was not compared, since the reference gave nothing to compare with"


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
    jobs: int = 1,
    cost: Cost = lambda _: 0,
    known: KnownRuns = lambda _: None,
    factors: Sequence[Speaking] = FACTORS,
    tell: Tell = lambda _: None,
) -> EnvironmentResult:
    """Run the suite on the reference and on each host, and return what was found.

    Args:
        inquiry: what is asked.
        runner: makes the runs; hosts are tried in threads, and how many runs there are at once is its choice.
        check: tells why a plan cannot run here, or None.
        clock: milliseconds of a monotonic clock.
        stop: set when a signal arrives; the caller then closes the backend, which ends the runs under way.
        jobs: how many runs the runner makes at once. So many hosts are begun at once where the first that fails ends
            it all, and with one, questions about a cause come one after the other.
        cost: says which hosts are cheap, and come first.
        known: returns what a cell gave in an earlier verification.
        factors: say which signs of a trace speak for them.
        tell: is told what happens, one event at a time.

    Raises:
        Interrupted: KeyboardInterrupt arrived; it is the cause.
    """
    verification = _Environment(
        inquiry,
        runner=runner,
        check=check,
        clock=clock,
        jobs=jobs,
        cost=cost,
        known=known,
        factors=factors,
        tell=tell,
    )
    try:
        return verification.verify()
    except KeyboardInterrupt as signal:
        stop.set()
        raise Interrupted(verification.result("the verification was interrupted")) from signal
    except BaseException:
        stop.set()
        raise


class _Environment:
    """One environment under way."""

    def __init__(
        self,
        inquiry: Inquiry,
        *,
        runner: Runner,
        check: Check,
        clock: Callable[[], int],
        jobs: int,
        cost: Cost,
        known: KnownRuns,
        factors: Sequence[Speaking],
        tell: Tell,
    ) -> None:
        self._inquiry = inquiry
        self._check = check
        self._clock = clock
        self._jobs = jobs
        self._cost = cost
        self._begin = clock()
        self._lock = threading.Lock()
        self._listener = tell
        self._runner = TellingRunner(runner, inquiry.name, self._tell)
        self._baseline = Baseline(self._run_reference, inquiry.normalization)
        self._records: dict[Digest, Mapping[str, Json]] = {}
        self._reference_runs: list[Run] = []
        self._no_reference: HostResult | None = None
        self._hosts: dict[int, Tried] = {}
        self._foresight = Foresight(
            inquiry, runner=self._runner, known=known, usual=self._baseline.first, factors=factors
        )
        self._are_all_run = bool(inquiry.hosts) and not inquiry.fail_fast
        self._has_witnesses = False
        self._uncompared: dict[int, Run] = {}
        self._differing: dict[int, Differing] = {}
        self._begun: dict[int, Differing] = {}
        self._put_off: set[int] = set()
        self._trial = Trial(
            inquiry,
            baseline=self._baseline,
            runner=self._runner,
            check=check,
            budget=Budget(runs=inquiry.runs, milliseconds=inquiry.milliseconds, clock=clock, jobs=jobs),
            foresight=self._foresight,
            tell=self._tell,
        )

    def verify(self) -> EnvironmentResult:
        inquiry = self._inquiry
        names = (inquiry.reference.name, *(each.host.name for each in inquiry.hosts))
        self._tell(EnvironmentStarted(environment=inquiry.name, hosts=names))
        self._no_reference = self._lacking()
        if self._no_reference is None:
            self._try_all()
        else:
            self._tell(HostJudged(environment=inquiry.name, result=self._no_reference))
        result = self.result(_NOTHING_TO_COMPARE)
        self._tell(EnvironmentJudged(result=result))
        return result

    def result(self, why: str) -> EnvironmentResult:
        """Return what is known so far; ``why`` is said of hosts that have no result."""
        self._records.clear()  # what was learned meanwhile makes other ones
        found = conclude_environment(
            self._inquiry,
            self._baseline.known,
            self._reference(why),
            [self._host(index, why) for index in range(len(self._inquiry.hosts))],
            duration=self._clock() - self._begin,
            work=self._runner.work,
        )
        return replace(found, records=MappingProxyType(dict(self._records)))

    def _tell(self, event: Event) -> None:
        with self._lock:
            self._listener(event)

    def _lacking(self) -> HostResult | None:
        """Return what becomes of a reference that this machine cannot offer."""
        reference = self._inquiry.reference
        try:
            lacking = self._check(reference.apply(self._inquiry.plan))
        except FactorError as error:
            return unavailable(reference, error.message, error.hint, named=True)
        return unavailable(reference, lacking.reason, lacking.hint, named=True) if lacking is not None else None

    def _try_all(self) -> None:
        """Try the reference and all hosts at once, as far as the runner has room; then explain what differs."""
        # Threads are cheap, runs are not: the runner decides how many runs there are at once. Who wants to stop early
        # has no use for threads that wait there.
        hosts = self._jobs if self._inquiry.fail_fast else len(self._inquiry.hosts)
        pool = ThreadPoolExecutor(max_workers=1 + hosts, thread_name_prefix="host")
        try:
            is_usable = pool.submit(self._try_reference)
            waiting = self._order()
            while waiting:
                _finish([pool.submit(self._try_host, index, is_usable) for index in waiting])
                if self._has_witnesses:
                    self._hear_witnesses()
                groups = in_turns(self._take_differing())
                explaining = [pool.submit(self._explain, group) for group in groups]
                _finish([*explaining, *(pool.submit(self._foresee, group[0]) for group in groups)])
                waiting = [] if self._has_failed() else [index for index in waiting if index in self._put_off]
                self._put_off.difference_update(waiting)
            if (
                is_usable.result()
                and self._no_reference is None
                and not any(each.seen is not None for each in self._hosts.values())
            ):
                self._baseline.settle()  # no host has confirmed what the reference shows
        except BaseException:
            # Runs under way end when the caller closes the backend; to wait for them here would be to wait for ever.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()

    def _take_differing(self) -> list[Differing]:
        """Return the hosts to explain, in the order of the report; there are none to explain then."""
        differing, self._differing = self._differing, {}
        return [differing[index] for index in sorted(differing)]

    def _has_failed(self) -> bool:
        return any(each.result.verdict is VerdictWord.FAILED for each in self._hosts.values())

    def _order(self) -> list[int]:
        """Return the places of the hosts in the order in which they are run.

        The cheapest come first, of these the ones that are likeliest to differ, since a search for a cause takes long;
        else they come as drawn.
        """
        hosts = [each.host for each in self._inquiry.hosts]
        likeliness = self._foresight.likeliness(hosts)
        order = list(range(len(hosts)))
        random.Random(self._inquiry.seed).shuffle(order)  # noqa: S311 - an order, no secret
        return sorted(order, key=lambda index: (self._cost_of(hosts[index]), -likeliness.get(hosts[index].name, 0.0)))

    def _cost_of(self, host: Host) -> int:
        try:
            return self._cost(host.apply(self._inquiry.plan))
        except FactorError:
            return 0  # it is not run at all

    def _run_reference(self, index: int) -> Observation:
        reference = self._inquiry.reference
        plan = reference.apply(self._inquiry.plan)
        run = self._runner.run(Cell(plan=plan, host=reference, index=index))
        self._reference_runs.append(run)
        return run.observation

    def _try_reference(self) -> bool:
        """Run the reference, more than once if it fails; tell whether hosts can be compared with it."""
        try:
            first = self._baseline.begin()
            is_useless = self._is_useless((first,))
            self._has_witnesses = self._baseline.is_failing and not is_useless and self._are_all_run
            if self._has_witnesses:
                self._baseline.repeat()
                return True  # it is judged when they ran
            if self._baseline.is_failing or is_useless:
                self._baseline.settle()
        except LostRunError as error:
            self._lose_reference(error)
        return self._judge_reference()

    def _hear_witnesses(self) -> None:
        """Judge a reference that fails after all hosts ran, which are its witnesses, and compare them with it."""
        hosts = self._inquiry.hosts
        seen = [
            Witness(levels=hosts[index].host.differing, seen=run.observation) for index, run in self._uncompared.items()
        ]
        try:
            self._baseline.settle(seen)
        except LostRunError as error:
            self._lose_reference(error)
        if self._judge_reference():
            for index in sorted(self._uncompared):
                self._compare(index, self._uncompared[index])

    def _lose_reference(self, error: LostRunError) -> None:
        self._no_reference = inconclusive(self._inquiry.reference, error.message, error.hint)

    def _judge_reference(self) -> bool:
        self._tell(HostJudged(environment=self._inquiry.name, result=self._reference()))
        return self._no_reference is None and not self._is_useless(self._baseline.known.runs)

    def _is_useless(self, runs: Sequence[Observation]) -> bool:
        inquiry = self._inquiry
        return is_broken(runs) or any(untrusted(each, inquiry.reference, inquiry.suite) for each in runs)

    def _try_host(self, index: int, is_usable: "Future[bool]") -> None:
        if is_usable.done() and not is_usable.result():
            return
        if self._inquiry.fail_fast and self._differing:
            self._put_off.add(index)
            return
        tried = self._trial.run(self._inquiry.hosts[index], is_usable.result)
        if isinstance(tried, Tried):
            self._keep(index, tried)
        elif tried is not None and self._has_witnesses:
            self._uncompared[index] = tried
        elif tried is not None:
            self._compare(index, tried)

    def _compare(self, index: int, run: Run) -> None:
        tried = self._trial.compare(self._inquiry.hosts[index], run)
        if isinstance(tried, Differing):
            self._differing[index] = self._begun[index] = tried
        else:
            self._keep(index, tried)

    def _explain(self, group: Sequence[Differing]) -> None:
        """Explain hosts that share behaviors in turns; those of which all is proven by then go at once."""
        proven = Proven()
        waiting = list(group)
        while waiting:
            is_proven = [self._trial.is_proven(each, proven) for each in waiting]
            if any(is_proven):
                self._explain_at_once(list(compress(waiting, is_proven)), proven)
                waiting = [each for each, known in zip(waiting, is_proven, strict=True) if not known]
            else:
                self._explain_at_once([waiting.pop(0)], proven)

    def _explain_at_once(self, hosts: Sequence[Differing], proven: Proven) -> None:
        with ThreadPoolExecutor(max_workers=len(hosts), thread_name_prefix="explain") as pool:
            tried = pool.map(lambda each: self._trial.explain(each, proven), hosts)
            for each, result in zip(hosts, tried, strict=True):
                self._keep(self._inquiry.hosts.index(each.choice), result)

    def _foresee(self, host: Differing) -> None:
        self._foresight.prepare(host.choice.host, host.differences)

    def _keep(self, index: int, tried: Tried) -> None:
        self._hosts[index] = tried
        self._tell(HostJudged(environment=self._inquiry.name, result=tried.result))

    def _reference(self, why: str = "") -> HostResult:
        """Return what is known of the reference."""
        reference, known = self._inquiry.reference, self._baseline.known
        if self._no_reference is not None or not known.runs:
            return self._no_reference or inconclusive(reference, why)
        flaky = [self._flaky(each) for each in unstable_tests(known.runs, known.normalization)]
        result = judge_reference(reference, known.runs, self._inquiry.suite, self._inquiry.rules, flaky)
        return replace(
            self._trial.hinted(result, reference, known.runs[0]),
            behavior=self._digest(known.runs[0]),
            runs=len(self._reference_runs),
            cached=sum(each.is_cached for each in self._reference_runs),
        )

    def _flaky(self, finding: Finding) -> Finding:
        name = self._inquiry.reference.name
        ignored = self._inquiry.rules.reason(finding.difference.id, name)
        command = self._trial.reproducer(Host(name=name, factors={}), finding.difference, finding.cause, is_whole=True)
        return replace(finding, reproduce=command, ignored=ignored)

    def _host(self, index: int, why: str) -> HostResult:
        """Return what is known of a host, in the light of all runs of the reference."""
        choice, tried, known = self._inquiry.hosts[index], self._hosts.get(index), self._baseline.known
        if tried is None and index in self._begun:
            tried = self._trial.unexplained(self._begun[index], why)
        if tried is None:
            why = _PUT_OFF if index in self._put_off else why
            return inconclusive(choice.host, why, named=choice.named)
        if tried.seen is None:
            return tried.result
        return replace(tried.result, behavior=self._digest(tried.seen), notes=notes(known.runs, tried.seen))

    def _digest(self, seen: Observation) -> Digest:
        """Return the behavior digest of a run, and keep what it is the digest of."""
        record = behavior_record(seen, self._baseline.known.digested)
        digest = Digest.of_json(record)
        self._records[digest] = record
        return digest


def _finish(futures: Sequence["Future[None]"]) -> None:
    """Wait for all, and raise what the first of them that fails raises, at once."""
    for each in as_completed(futures):
        each.result()
