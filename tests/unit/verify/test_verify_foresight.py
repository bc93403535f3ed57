"""When a traced run of the reference is made, whom it serves, and that a search without it finds the same."""

import threading
from dataclasses import replace

import pytest
from simulated_app import PLAN, SimulatedApp, fails_where, inquiry_of, passes
from simulated_blame import FACTORS, HOST, REFERENCE, NumberedFactor, NumberedHost

from pipeline.verify.environment import verify_environment
from pipeline.verify.explain import CauseState
from pipeline.verify.foresight import MANY_HOSTS, traced
from pipeline.verify.schedule import LostRunError
from runtime.plan import SELECTION, TRACED

ONE, TWO = "t.py::test_one", "t.py::test_two"
GUILTY = FACTORS[7]
SPEAKING = [NumberedFactor(name=name) for name in FACTORS]


class Counting:
    """A runner that keeps the cells of traced runs, and loses them if it is told to."""

    def __init__(self, app, *, is_losing=False):
        self.app = app
        self.is_losing = is_losing
        self.traced = []
        self.order = []

    def run(self, cell):
        if cell.plan.is_traced:
            self.traced.append(cell)
            if self.is_losing:
                raise LostRunError("the run was lost")
        elif cell.index == 0:
            self.order.append(cell.host.name)
        return self.app.run(cell)


def app(duration=10, touched=(GUILTY, *FACTORS[20:24])):
    def last(observation, _):
        return replace(observation, duration=duration)

    breaks = fails_where(**{GUILTY: "on"})
    return SimulatedApp({ONE: breaks, TWO: breaks, "t.py::test_z": passes}, touched={ONE: touched}, change=last)


def verify(runner, *hosts, known=lambda _: None, **options):
    inquiry = inquiry_of(*(hosts or (HOST,)), reference=REFERENCE, **options)
    return verify_environment(
        inquiry,
        runner=runner,
        check=lambda _: None,
        clock=lambda: 0,
        stop=threading.Event(),
        known=known,
        factors=SPEAKING,
    )


def causes(result):
    return {
        (host.name, finding.difference.id): (finding.cause.state, dict(finding.cause.factors))
        for host in result.hosts[1:]
        for finding in host.findings
    }


def host_of(count, name="some"):
    names = [GUILTY, *(each for each in FACTORS if each != GUILTY)][:count]
    return NumberedHost(name=name, factors=dict.fromkeys(names, "on"))


FOUND = {("all-on", test): (CauseState.CAUSED, {GUILTY: "on"}) for test in (ONE, TWO)}


def test_one_traced_run_serves_all_hosts_and_all_tests():
    runner = Counting(app())
    result = verify(runner, HOST, replace(HOST, name="other", factors={**HOST.factors, "more": "on"}))
    assert len(runner.traced) == 1
    assert runner.traced[0].host == REFERENCE
    assert {state for state, _ in causes(result).values()} == {CauseState.CAUSED}


def test_cause_says_what_was_likely_and_by_which_signs():
    (_, host) = verify(Counting(app())).hosts
    told = next(each.cause.predicted for each in host.findings if each.difference.id == ONE)
    assert told[GUILTY] == (f"calls {GUILTY}",)
    assert len(told) == 5


def test_prediction_saves_runs():
    bare, predicted = (verify(Counting(app()), predicts=each).hosts[1] for each in (False, True))
    assert predicted.runs < bare.runs
    assert causes_are_alike(bare, predicted)


def causes_are_alike(one, other):
    return [dict(each.cause.factors) for each in one.findings] == [dict(each.cause.factors) for each in other.findings]


def test_lost_traced_run_costs_the_prediction_only():
    runner = Counting(app(), is_losing=True)
    result = verify(runner)
    assert causes(result) == FOUND
    assert len(runner.traced) == 1
    assert not any(each.cause.predicted for each in result.hosts[1].findings)


@pytest.mark.parametrize(("levels", "count"), [(1, 0), (4, 0), (5, 1)])
def test_no_run_is_traced_for_a_host_of_few_levels(levels, count):
    runner = Counting(app())
    verify(runner, host_of(levels))
    assert len(runner.traced) == count


def test_no_run_is_traced_where_nobody_wants_a_prediction_or_nothing_differs():
    runner = Counting(app())
    assert causes(verify(runner, predicts=False)) == FOUND
    verify(runner, NumberedHost(name="innocent", factors=dict.fromkeys(FACTORS[20:30], "on")))
    assert not runner.traced


@pytest.mark.parametrize(("duration", "selected"), [(1_000, False), (1_001, True)])
def test_long_suite_is_traced_with_the_differing_tests_alone(duration, selected):
    runner = Counting(app(duration=duration))
    verify(runner)
    (cell,) = runner.traced
    assert any(each.path == SELECTION for each in cell.plan.files) is selected


def test_hosts_that_are_likely_to_differ_come_first_by_an_earlier_trace():
    runner = Counting(app())
    hosts = [NumberedHost(name=f"host-{number}", factors={FACTORS[number]: "on"}) for number in range(15)]
    # One host at a time, until the first that fails.
    verify(runner, *hosts, known=lambda cell: runner.app.run(cell).observation, fail_fast=True)
    assert next(name for name in runner.order if name != "reference") == f"host-{FACTORS.index(GUILTY)}"
    assert not runner.traced


@pytest.mark.parametrize(("count", "runs"), [(MANY_HOSTS - 1, 0), (MANY_HOSTS, 1)])
def test_many_hosts_are_worth_a_trace_before_they_are_run(count, runs):
    runner = Counting(app())
    innocent = [each for each in FACTORS if each != GUILTY]
    verify(runner, *(NumberedHost(name=f"h{number}", factors={innocent[number]: "on"}) for number in range(count)))
    assert len(runner.traced) == runs


def test_traced_plan_is_bounded_and_another_plan():
    plan = traced(PLAN, [ONE])
    assert plan.is_traced
    assert not PLAN.is_traced
    assert plan.digest != PLAN.digest
    assert plan.deadline <= 60_000
    assert {TRACED, SELECTION} <= {each.path for each in plan.files}
    assert traced(replace(PLAN, deadline=5)).deadline == 5
