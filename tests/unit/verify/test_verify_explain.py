"""The search for causes on simulated apps: what it finds, what it costs, what its statistics promise."""

import random
import threading
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_app import PLAN, SimulatedApp, either, fails_where, flaky, inquiry_of, passes
from simulated_blame import FACTORS, HOST, REFERENCE, NumberedHost

from pipeline.verify.environment import verify_environment
from pipeline.verify.explain import CauseState
from pipeline.verify.laboratory import Budget, Laboratory, Pair
from pipeline.verify.normalization import Normalization
from pipeline.verify.observe import Exit
from pipeline.verify.pytest_results import NOT_REACHED, WAS_RUNNING
from pipeline.verify.schedule import Cell, LostRunError
from pipeline.verify.statistics import LONGEST, Decision, Tally, decide
from pipeline.verify.suite import TestOutcome as Outcome
from pipeline.verify.suite import TestResult as Result
from pipeline.verify.suspects import Suspects
from pipeline.verify.verdict import State, VerdictWord
from runtime.errors import FactorError
from runtime.outcome import Limit
from runtime.plan import SELECTION

FEW = FACTORS[:8]
SMALL = NumberedHost(name="eight-on", factors=dict.fromkeys(FEW, "on"))
SURE = Tally(with_failed=8, with_of=8, without_failed=0, without_of=8)


def on(*numbers):
    return {FACTORS[number]: "on" for number in numbers}


def breaks(*numbers):
    return fails_where(**on(*numbers))


def verify(app, host=HOST, reference=REFERENCE, clock=lambda: 0, jobs=2, **options):
    inquiry = inquiry_of(host, reference=reference, **options)
    found = verify_environment(
        inquiry, runner=app, check=lambda _: None, clock=clock, stop=threading.Event(), jobs=jobs
    )
    return found.hosts[1]


def app_of(*behaviors, **options):
    return SimulatedApp({f"t.py::test_{n}": each for n, each in enumerate([*behaviors, passes])}, **options)


def causes_of(host):
    return [
        [dict(each) for each in (finding.cause.factors, *finding.cause.alternatives)]
        for finding in host.findings
        if finding.cause.state is CauseState.CAUSED
    ]


@pytest.mark.parametrize("numbers", [(17,), (3, 31), (0, 20, 39), (1, 2, 3, 4)], ids=len)
def test_verify_levels_together_are_named_whatever_their_number(numbers):
    host = verify(app_of(breaks(*numbers)))
    assert causes_of(host) == [[on(*numbers)]]
    assert set(host.findings[0].cause.cleared) == set(FACTORS) - on(*numbers).keys()


def test_verify_causes_of_one_level_and_of_two_that_each_suffice_are_named_the_smallest_first():
    host = verify(app_of(either(breaks(1, 2), breaks(30))))
    assert causes_of(host) == [[on(30), on(1, 2)]]
    assert not {FACTORS[n] for n in (1, 2, 30)} & set(host.findings[0].cause.cleared)


@pytest.mark.parametrize("numbers", [(17,), (3, 31)], ids=len)
def test_verify_questions_that_come_one_by_one_take_no_more_runs_and_name_the_same(numbers):
    one, two = (
        [verify(app_of(breaks(*numbers), seed=each), seed=each, jobs=jobs) for each in range(12)] for jobs in (1, 2)
    )
    assert [causes_of(each) for each in (*one, *two)] == [[[on(*numbers)]]] * 24
    assert sum(each.runs for each in one) <= sum(each.runs for each in two)


class LosingApp(SimulatedApp):
    """An app of which the first run of some rerun index is lost, on each host of few levels."""

    def run(self, cell):
        if cell.index == 1 and 1 <= len(cell.host.factors) <= 3:
            raise LostRunError("a run was lost")
        return super().run(cell)


def test_verify_number_of_a_rerun_is_above_all_that_were_made_whichever_were_lost():
    app = LosingApp({"t.py::test_0": breaks(2)})
    pair = Pair(
        plan=PLAN,
        reference=REFERENCE,
        host=SMALL,
        seen_reference=app.run(Cell(plan=PLAN, host=REFERENCE)).observation,
        seen_host=app.run(Cell(plan=PLAN, host=SMALL)).observation,
    )
    laboratory = Laboratory(
        pair=pair,
        runner=app,
        budget=Budget(runs=9, milliseconds=9, clock=lambda: 0),
        normalization=Normalization(),
        seed=0,
    )
    levels = frozenset([FACTORS[2]])
    laboratory.make([(levels, 2)], beside=[(levels, 1)])
    assert [laboratory.is_made(levels, index) for index in (1, 2, 3)] == [False, True, False]
    assert laboratory.next_index(levels) == 3


class DeadlineApp(SimulatedApp):
    """An app that hangs under some levels, and keeps the deadlines of its runs, and the tests that were asked for."""

    def _observation(self, cell):
        self.deadlines = {*getattr(self, "deadlines", ()), cell.plan.deadline}
        files = [each.content.decode() for each in cell.plan.files if each.path == SELECTION]
        self.selected = {*getattr(self, "selected", ()), *files}
        return super()._observation(cell)


def hangs(*numbers):
    def cut(observation, levels):
        if not on(*numbers).items() <= levels.items():
            return observation
        first, *rest = observation.report.tests
        left = {first: Result(id=first, outcome=Outcome.MISSING, message=WAS_RUNNING)}
        left |= {each: Result(id=each, outcome=Outcome.MISSING, message=NOT_REACHED) for each in rest}
        ended = Exit(limit=Limit.DEADLINE)
        return replace(observation, report=replace(observation.report, tests=left, complete=False), exit=ended)

    return cut


def test_verify_hang_is_the_test_that_did_not_end_found_by_reruns_of_it_alone_that_wait_for_less():
    tests = {f"t.py::test_{n}": passes for n in range(4)}
    app = DeadlineApp(tests, change=hangs(3, 7))
    host = verify(app, host=SMALL, predicts=False)  # a traced run has a deadline of its own
    assert [(each.difference.id, each.difference.is_cut) for each in host.findings] == [
        ("exit", False),
        ("t.py::test_0", True),
    ]
    assert causes_of(host) == [[on(3, 7)], [on(3, 7)]]
    assert app.deadlines == {PLAN.deadline, 5050}
    alone = verify(app_of(breaks(3, 7)), host=SMALL, predicts=False)
    assert host.runs == alone.runs


def test_verify_end_of_a_hang_is_no_test_that_is_run_alone():
    def cut(observation, levels):
        if "t.py::test_1" not in observation.report.tests:
            return observation
        hung = hangs(3)(replace(observation, report=replace(observation.report, tests={"t.py::test_1": None})), levels)
        if hung.exit.is_own:
            return observation
        tests = {**hung.report.tests, **{k: each for k, each in observation.report.tests.items() if k.endswith("_0")}}
        return replace(hung, report=replace(hung.report, tests=tests))

    app = DeadlineApp({"t.py::test_0": breaks(3), "t.py::test_1": passes}, change=cut)
    host = verify(app, host=SMALL)
    assert [each.difference.id for each in host.findings] == ["exit", "t.py::test_0", "t.py::test_1"]
    assert causes_of(host) == [[on(3)]] * 3
    assert not any('"exit"' in each for each in app.selected), app.selected


def test_verify_cause_of_two_levels_tells_what_taking_either_away_shows():
    (finding,) = verify(app_of(breaks(3, 7)), host=SMALL).findings
    assert {name: each.failed for name, each in finding.cause.removed.items()} == dict.fromkeys(on(3, 7), 0)
    assert all(each.of >= 2 for each in finding.cause.removed.values())
    (single,) = verify(app_of(breaks(3)), host=SMALL).findings
    assert single.cause.removed == {}


def test_verify_many_tests_with_one_cause_cost_what_one_does_and_a_pair_that_tells_whether_each_is_enough():
    hosts = [verify(app_of(*[breaks(5, 6)] * tests)) for tests in (1, 20)]
    assert [causes_of(host) for host in hosts] == [[[on(5, 6)]], [[on(5, 6)]] * 20]
    assert hosts[1].runs == hosts[0].runs + 2


def test_verify_cause_of_one_level_of_eight_takes_at_most_26_reruns_and_of_two_35():
    for number in range(8):
        assert verify(app_of(breaks(number)), SMALL).runs - 1 <= 26
        assert verify(app_of(breaks(number, (number + 3) % 8)), SMALL).runs - 1 <= 35


def test_verify_level_that_breaks_a_test_in_some_runs_is_named_without_an_innocent_one():
    def often(levels, chance):
        return flaky(0.7 if FACTORS[3] in levels else 0.02)(levels, chance)

    hosts = [verify(app_of(often, seed=seed), SMALL) for seed in range(25)]
    different = [causes_of(host) for host in hosts if host.state is State.DIFFERENT]
    assert len(different) >= 12  # the first run of the others showed nothing, or reruns did not tell it from chance
    assert different.count([[on(3)]]) >= len(different) - 1
    assert all(causes in ([], [[on(3)]]) for causes in different)


@pytest.mark.parametrize("seed", range(10, 25))
def test_verify_levels_together_beside_chance_are_never_taken_for_one_of_them(seed):
    host = verify(app_of(either(breaks(3, 4), flaky(0.15)), seed=seed), SMALL)
    assert causes_of(host) in ([], [[on(3, 4)]])


@pytest.mark.parametrize(("rate", "seed"), [(0.4, 137), (0.4, 244), (0.5, 201)])
def test_verify_test_whose_first_reruns_look_like_a_cause_by_chance_is_blamed_on_no_level(rate, seed):
    host = verify(app_of(flaky(rate), seed=seed), SMALL)
    (finding,) = host.findings
    assert finding.cause.state is not CauseState.CAUSED
    assert host.runs - 1 <= 80


@dataclass(frozen=True, slots=True, kw_only=True)
class HostWithPrecondition(NumberedHost):
    """One of its levels cannot be had without another."""

    def apply(self, plan):
        if FACTORS[2] in self.factors and FACTORS[5] not in self.factors:
            raise FactorError("factor-02 needs factor-05")
        return NumberedHost.apply(self, plan)


def test_verify_level_that_cannot_be_had_alone_is_named_with_what_it_needs():
    small = HostWithPrecondition(name="eight-on", factors=SMALL.factors)
    reference = HostWithPrecondition(name="reference", factors={})
    assert causes_of(verify(app_of(breaks(2)), small, reference)) == [[on(2, 5)]]
    assert causes_of(verify(app_of(breaks(4)), small, reference)) == [[on(4)]]


@dataclass
class SlowApp(SimulatedApp):
    """An app each of whose runs takes a second of a simulated clock."""

    seconds: int = 0

    def run(self, cell):
        self.seconds += 1
        return SimulatedApp.run(self, cell)


@pytest.mark.parametrize("seconds", [20, 22, 25])
def test_verify_search_that_time_cuts_short_leaves_enough_of_it_to_confirm_the_difference(seconds):
    app = SlowApp({"t.py::test_x": breaks(3, 4, 5), "t.py::test_y": passes})
    host = verify(app, clock=lambda: 1000 * app.seconds, milliseconds=1000 * seconds)
    assert host.verdict is VerdictWord.FAILED
    (finding,) = host.findings
    assert (finding.cause.state, finding.cause.confirmed) == (CauseState.INCONCLUSIVE, True)
    assert finding.cause.reason == "the budget ended before the cause was found"
    assert app.seconds - 3 <= seconds


SETS = st.sets(st.sampled_from(FEW), min_size=1, max_size=2)


@given(SETS, st.integers(0, 99))
def test_suspects_of_a_cause_of_one_level_or_two_are_led_by_it_after_few_questions(cause, seed):
    suspects, chance = Suspects(FEW, SURE), random.Random(seed)
    for _ in range(20):
        levels = suspects.question(chance)
        assert levels
        suspects.learn(levels, is_shown=cause <= levels)
    leader, certainty = suspects.leader
    assert leader == cause
    assert certainty > 0.9


@given(SETS, st.integers(0, 99))
def test_suspects_are_led_back_from_a_run_that_misled(cause, seed):
    suspects, chance = Suspects(FEW, SURE), random.Random(seed)
    for index in range(30):
        levels = suspects.question(chance)
        suspects.learn(levels, is_shown=(cause <= levels) or index == 3)
    assert suspects.leader[0] == cause


@pytest.mark.parametrize("rate", [0.02, 0.05, 0.15, 0.3, 0.5, 0.7, 0.95])
def test_decide_blames_a_host_for_its_share_of_chance_once_in_three_thousand(rate):
    blamed = sum(chance for tally, chance in ends(rate, rate) if decide(tally) is Decision.CAUSED)
    assert 0 <= blamed < 1 / 3000


@pytest.mark.parametrize(("rate", "pairs"), [(0, 8), (0.05, 9), (0.15, 12), (0.3, 18)])
def test_decide_blames_a_host_that_always_fails_soon_and_surely(rate, pairs):
    caused = [(tally, chance) for tally, chance in ends(1, rate) if decide(tally) is Decision.CAUSED]
    assert sum(chance for _, chance in caused) > 0.999
    assert sum(chance for tally, chance in caused if tally.with_of <= pairs) > 0.5


def ends(with_rate, without_rate):
    """Return every tally that ends pairs of runs of two rates, with its chance: exactly, not by simulation."""
    going, ended = {Tally(): 1.0}, []
    for _ in range(LONGEST):
        following = {}
        for tally, chance in going.items():
            for here, is_here in ((with_rate, True), (1 - with_rate, False)):
                for there, is_there in ((without_rate, True), (1 - without_rate, False)):
                    more = tally.plus(with_failed=is_here, without_failed=is_there)
                    following[more] = following.get(more, 0.0) + chance * here * there
        ended += [(tally, chance) for tally, chance in following.items() if decide(tally) is not Decision.CONTINUE]
        going = {tally: chance for tally, chance in following.items() if decide(tally) is Decision.CONTINUE}
    assert not going
    return ended
