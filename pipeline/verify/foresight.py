"""``Foresight``: makes the traced run of the reference where it is worth one, and predicts by it.

One traced run serves all hosts. It has the whole suite where that is short, since what other tests touch too tells
little; otherwise the differing tests alone.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from pipeline.verify.compare import Difference, Kind
from pipeline.verify.inquiry import Inquiry
from pipeline.verify.observe import Observation
from pipeline.verify.plugin import selection_file, traced_files
from pipeline.verify.prediction import NEEDS_OTHERS, NOTHING, Foresee, of_failures, predict, telling
from pipeline.verify.schedule import Cell, LostRunError, Runner
from pipeline.verify.suite import Results
from runtime.errors import FactorError
from runtime.factors import FACTORS
from runtime.factors.signs import Speaking
from runtime.host import Host
from runtime.plan import Plan

_FEW_LEVELS = 4
"""Levels of which two runs tell without a prediction which of them matters: a traced run takes as long."""

_SHORT = 1_000
"""Milliseconds of a suite that is traced as a whole."""

_LONGEST = 60_000
"""Milliseconds that a traced run may take: a program may wait for ever for what a trace has disturbed."""

MANY_HOSTS = 20
"""Hosts beside which one more run is little: they are put in order by a trace."""

KnownRuns = Callable[[Cell], Observation | None]
"""Returns what a cell gave in an earlier verification; None if it was not run, or that is left aside."""


class Foresight:
    """Predicts which factors can matter. Threads may ask.

    Args:
        inquiry: what is asked.
        runner: makes the runs.
        known: returns what a cell gave in an earlier verification.
        usual: returns what the reference shows.
        factors: say which signs speak for them.
    """

    def __init__(
        self,
        inquiry: Inquiry,
        *,
        runner: Runner,
        known: KnownRuns,
        usual: Callable[[], Observation],
        factors: Sequence[Speaking] = FACTORS,
    ) -> None:
        self._inquiry = inquiry
        self._runner = runner
        self._known = known
        self._usual = usual
        self._factors = factors
        self._lock = threading.Lock()
        self._traced: dict[tuple[str, ...], Observation | None] = {}

    def on(self, host: Host, differences: Sequence[Difference], seen: Observation) -> Foresee:
        """Return what predicts the causes of the differences of a host.

        Args:
            host: of few levels nothing is predicted.
            differences: all of them: one traced run tells of all.
            seen: its first run.
        """
        if not self._is_worth_a_run(host):
            return lambda _, __: NOTHING
        tests = _tests(differences)
        return lambda difference, needs_others: predict(
            self._signs(difference, tests, seen) | ({NEEDS_OTHERS: 1.0} if needs_others else {}), self._factors
        )

    def prepare(self, host: Host, differences: Sequence[Difference]) -> None:
        """Make the traced run that ``on`` needs for a host, while others make the first reruns, which need none."""
        if self._is_worth_a_run(host):
            self._trace(_tests(differences))

    def likeliness(self, hosts: Sequence[Host]) -> Mapping[str, float]:
        """Return the name of each host → how likely it is to differ, by a trace of the whole suite.

        A trace that was made earlier is used; one is made where there are many hosts. Without one, none is likelier.
        """
        if not self._inquiry.predicts:
            return {}
        traced = self._earlier() if len(hosts) < MANY_HOSTS else self._once(())
        if traced is None or traced.trace is None:
            return {}
        found = predict(telling(traced.trace, (), memory=traced.resources.peak_memory), self._factors)
        return {host.name: sum(found.weight(name) - 1 for name in host.differing) for host in hosts}

    def _is_worth_a_run(self, host: Host) -> bool:
        return self._inquiry.predicts and len(host.differing) > _FEW_LEVELS

    def _earlier(self) -> Observation | None:
        """Return what a trace of the whole suite showed, if one was made in an earlier verification."""
        try:
            earlier = self._known(self._cell(()))
        except FactorError:
            return None
        if earlier is not None:
            self._traced[()] = earlier
        return earlier

    def _signs(self, difference: Difference, tests: tuple[str, ...], seen: Observation) -> dict[str, float]:
        is_test = difference.kind is Kind.TEST
        failed = [seen.report.tests[difference.id]] if is_test and difference.id in seen.report.tests else []
        signs = of_failures(failed, seen.exit.signal, seen.exit.limit)
        traced = self._trace(tests)
        if traced is not None and traced.trace is not None:
            chosen = [difference.id] if is_test else []
            signs |= telling(traced.trace, chosen, memory=traced.resources.peak_memory)
        return signs

    def _trace(self, tests: tuple[str, ...]) -> Observation | None:
        """Return a traced run of the reference, made at most once for the same tests; None where it was lost."""
        is_short = self._usual().duration <= _SHORT
        is_whole = is_short or not tests or self._inquiry.suite.results is not Results.PYTEST
        return self._once(() if is_whole else tests)

    def _once(self, tests: tuple[str, ...]) -> Observation | None:
        with self._lock:  # whoever needs the same run waits for it
            if tests not in self._traced:
                self._traced[tests] = self._run(tests)
            return self._traced[tests]

    def _run(self, tests: tuple[str, ...]) -> Observation | None:
        try:
            return self._runner.run(self._cell(tests)).observation
        except (LostRunError, FactorError):
            return None

    def _cell(self, tests: tuple[str, ...]) -> Cell:
        reference = self._inquiry.reference
        # Not the first run of the reference: that is told as a piece of work of its own.
        return Cell(plan=reference.apply(traced(self._inquiry.plan, tests)), host=reference, index=1)


def _tests(differences: Iterable[Difference]) -> tuple[str, ...]:
    return tuple(sorted(each.id for each in differences if each.kind is Kind.TEST))


def traced(plan: Plan, tests: Iterable[str] = ()) -> Plan:
    """Return a plan whose run is traced, with some of the tests or with all; it says what it saw until it is ended."""
    chosen = tuple(tests)
    selection = (selection_file(chosen),) if chosen else ()
    files = (*plan.files, *traced_files(), *selection)
    return replace(plan, files=files, deadline=min(plan.deadline, _LONGEST))
