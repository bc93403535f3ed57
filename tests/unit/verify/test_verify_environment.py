"""Every row of the table of verdicts (CONTRACT section 5), and explaining, on a simulated app."""

import threading
import time
from dataclasses import replace

import pytest
from simulated_app import (
    OOM,
    REFERENCE,
    SimulatedApp,
    either,
    fails,
    fails_where,
    flaky,
    inquiry_of,
    passes,
)

from pipeline.verify.conclude import conclude
from pipeline.verify.environment import Interrupted, verify_environment
from pipeline.verify.events import HostJudged
from pipeline.verify.explain import CauseState
from pipeline.verify.observe import Exit
from pipeline.verify.rules import Flaky, Ignore, Rules
from pipeline.verify.schedule import LostRunError, StoppedError
from pipeline.verify.statistics import LOOK
from pipeline.verify.suite import Shadow
from pipeline.verify.suite import TestOutcome as Outcome
from pipeline.verify.verdict import State, VerdictWord
from runtime.backend import Unsupported
from runtime.host import Host
from runtime.outcome import Fidelity

UMASK = Host(name="umask-0077", factors={"umask": "0077"})
COLUMNS = Host(name="narrow", factors={"columns": "40"})
HARDENED = Host(
    name="hardened",
    factors={"umask": "0077", "columns": "40", "hash-seed": "1", "timezone": "Asia/Kolkata", "locale": "C"},
)
STEADY = {"t.py::test_a": passes, "t.py::test_b": passes}


def verify(
    app, *hosts, reference=REFERENCE, check=lambda _: None, named=True, stop=None, tell=lambda _: None, **options
):
    inquiry = inquiry_of(*hosts, reference=reference, named=named, **options)
    return verify_environment(
        inquiry, runner=app, check=check, clock=lambda: 0, stop=stop or threading.Event(), tell=tell
    )


def test_verify_same_everywhere_is_passed():
    result = verify(SimulatedApp(STEADY), UMASK, HARDENED)
    assert result.verdict is VerdictWord.PASSED
    assert [each.state for each in result.hosts] == [State.REFERENCE, State.SAME, State.SAME]
    assert {each.behavior for each in result.hosts} == {result.behavior}
    assert result.headline == "web behaves the same on 3 hosts"
    assert [each.runs for each in result.hosts] == [1, 1, 1]


def test_verify_reference_is_run_again_where_a_host_differs_and_where_none_confirms_it():
    app = SimulatedApp({**STEADY, "t.py::test_x": fails_where(umask="0077")})
    assert verify(app, UMASK, COLUMNS).hosts[0].runs == 2
    assert verify(SimulatedApp(STEADY)).hosts[0].runs == 2


@pytest.mark.parametrize(
    ("test", "hosts", "options", "runs"),
    [
        pytest.param(fails, (UMASK, COLUMNS), {}, 2, id="hosts-confirm-it"),
        pytest.param(fails, (UMASK,), {}, 3, id="its-level-may-be-what-breaks-it"),
        pytest.param(fails, (UMASK, HARDENED), {}, 3, id="a-level-of-all-may-be-what-breaks-it"),
        pytest.param(fails, (), {}, 3, id="no-host"),
        pytest.param(fails, (UMASK, COLUMNS), {"fail_fast": True}, 3, id="who-stops-early-hears-no-hosts"),
        pytest.param(
            lambda levels, _: Outcome.PASSED if "umask" in levels else Outcome.FAILED,
            (UMASK, COLUMNS),
            {},
            3,
            id="one-host-does-not",
        ),
    ],
)
def test_verify_failing_reference_is_run_a_third_time_unless_hosts_confirm_it(test, hosts, options, runs):
    told = []
    result = verify(SimulatedApp({**STEADY, "t.py::test_x": test}), *hosts, tell=told.append, **options)
    assert result.hosts[0].runs == runs
    assert result.hosts[0].verdict is VerdictWord.FAILED
    judged = [each.result.name for each in told if isinstance(each, HostJudged)]
    assert sorted(judged) == sorted(["reference", *(each.name for each in hosts)])


def test_verify_reference_that_is_lost_once_hosts_ran_leaves_nothing_to_compare():
    class Lost(SimulatedApp):
        def run(self, cell):
            if cell.host.name == "reference" and cell.index == 2:
                raise LostRunError("a run was lost", hint="try again")
            return super().run(cell)

    result = verify(Lost({**STEADY, "t.py::test_x": fails}), UMASK)
    assert [each.state for each in result.hosts] == [State.INCONCLUSIVE, State.INCONCLUSIVE]
    assert result.hosts[0].reasons == ("a run was lost",)


def test_verify_first_run_that_fails_by_chance_hides_no_host_that_always_fails():
    first = [Outcome.FAILED]

    def behavior(levels, chance):
        return Outcome.FAILED if "umask" in levels else first.pop() if first else Outcome.PASSED

    result = verify(SimulatedApp({**STEADY, "t.py::test_x": behavior}), UMASK)
    assert result.unstable == ("t.py::test_x",)
    (finding,) = result.hosts[1].findings
    assert finding.cause.state is CauseState.CAUSED


def test_verify_one_level_is_named_with_the_counts_of_the_contract():
    app = SimulatedApp({**STEADY, "t.py::test_mode": fails_where(umask="0077")})
    result = verify(app, UMASK, COLUMNS)
    assert result.verdict is VerdictWord.FAILED
    assert result.headline == "web behaves differently where umask is 0077"
    assert [each.state for each in result.hosts] == [State.REFERENCE, State.DIFFERENT, State.SAME]
    (finding,) = result.hosts[1].findings
    cause = finding.cause
    assert (finding.difference.reference, finding.difference.here) == ("passed", "failed")
    assert (cause.state, cause.factors, cause.p_value, cause.runs) == (
        CauseState.CAUSED,
        {"umask": "0077"},
        "0.00016",
        16,
    )
    assert (cause.with_.failed, cause.with_.of, cause.without.failed, cause.without.of) == (8, 8, 0, 8)
    assert finding.reproduce == "seatrial run envs/web.yaml --set umask=0077 -- python3 -m pytest t.py::test_mode"
    assert "umask" in cause.hint


def test_verify_host_of_many_levels_is_narrowed_and_the_others_are_cleared():
    app = SimulatedApp(
        {**STEADY, "t.py::test_mode": fails_where(umask="0077"), "t.py::test_c": fails_where(locale="C")}
    )
    result = verify(app, HARDENED)
    causes = {each.difference.id: each.cause for each in result.hosts[1].findings}
    assert causes["t.py::test_mode"].factors == {"umask": "0077"}
    assert causes["t.py::test_c"].factors == {"locale": "C"}
    assert causes["t.py::test_mode"].cleared == ("columns", "hash-seed", "locale", "timezone")


def test_verify_two_levels_together_are_both_named():
    app = SimulatedApp({**STEADY, "t.py::test_x": fails_where(umask="0077", hash_seed="1")})
    (finding,) = verify(app, HARDENED).hosts[1].findings
    assert finding.cause.factors == {"umask": "0077", "hash-seed": "1"}
    assert finding.cause.state is CauseState.CAUSED
    assert "--set hash-seed=1 --set umask=0077" in finding.reproduce


def test_verify_two_levels_that_each_suffice_are_both_reported():
    app = SimulatedApp(
        {**STEADY, "t.py::test_x": either(fails_where(umask="0077"), fails_where(timezone="Asia/Kolkata"))}
    )
    (finding,) = verify(app, HARDENED).hosts[1].findings
    assert [dict(finding.cause.factors), *map(dict, finding.cause.alternatives)] == [
        {"timezone": "Asia/Kolkata"},
        {"umask": "0077"},
    ]


@pytest.mark.parametrize("seed", range(8))
def test_verify_flaky_test_is_blamed_on_no_host(seed):
    app = SimulatedApp({**STEADY, "t.py::test_x": flaky(0.3)}, seed=seed)
    result = verify(app, UMASK, COLUMNS)
    assert result.verdict is VerdictWord.PASSED
    assert not any(
        each.cause.state is CauseState.CAUSED for host in result.hosts for each in host.findings if each.cause
    )


@pytest.mark.parametrize("seed", range(5))
def test_verify_cause_beside_a_flaky_test_is_found(seed):
    app = SimulatedApp({"t.py::test_x": flaky(0.2), "t.py::test_y": fails_where(umask="0077")}, seed=seed)
    result = verify(app, HARDENED)
    causes = {each.difference.id: each.cause for each in result.hosts[1].findings}
    assert causes["t.py::test_y"].factors == {"umask": "0077"}
    assert result.verdict is VerdictWord.FAILED


@pytest.mark.parametrize("seed", range(4))
def test_verify_test_that_flakes_and_breaks_under_a_level_is_caused(seed):
    app = SimulatedApp({**STEADY, "t.py::test_y": either(fails_where(umask="0077"), flaky(0.1))}, seed=seed)
    (finding,) = verify(app, UMASK).hosts[1].findings
    assert finding.cause.state is CauseState.CAUSED
    assert finding.cause.factors == {"umask": "0077"}


def test_verify_flaky_policy_fail_is_failed():
    app = SimulatedApp({**STEADY, "t.py::test_x": flaky(0.5)}, seed=2)
    result = verify(app, UMASK, rules=Rules(flaky=Flaky.FAIL))
    assert result.unstable == ("t.py::test_x",)
    assert result.verdict is VerdictWord.FAILED
    assert result.hosts[0].reasons == ("1 test is flaky",)


def test_verify_test_that_relies_on_another_is_rerun_with_the_whole_suite():
    app = SimulatedApp(
        {**STEADY, "t.py::test_x": fails_where(umask="0077")}, needs_whole_suite=frozenset({"t.py::test_x"})
    )
    for host in verify(app, UMASK, HARDENED).hosts[1:]:
        (finding,) = host.findings
        assert finding.cause.state is CauseState.CAUSED
        assert finding.cause.factors == {"umask": "0077"}
        assert finding.reproduce == "seatrial run envs/web.yaml --set umask=0077 -- python3 -m pytest -q tests"


@pytest.mark.parametrize("alone", [frozenset(), frozenset({"t.py::test_y"})])  # passes anywhere, or fails anywhere
def test_verify_test_that_needs_another_one_before_it_is_reproduced_by_the_whole_suite(alone):
    breaks = fails_where(umask="0077")
    app = SimulatedApp(
        {**STEADY, "t.py::test_x": breaks, "t.py::test_y": breaks},
        needs_before={"t.py::test_y": "t.py::test_x"},
        fails_alone=alone,
    )
    result = verify(app, UMASK, HARDENED)
    for host in result.hosts[1:]:
        shown = {each.difference.id: each.reproduce for each in host.findings}
        assert shown == {
            "t.py::test_x": "seatrial run envs/web.yaml --set umask=0077 -- python3 -m pytest t.py::test_x",
            "t.py::test_y": "seatrial run envs/web.yaml --set umask=0077 -- python3 -m pytest -q tests",
        }
        assert all(each.cause.factors == {"umask": "0077"} for each in host.findings)


@pytest.mark.parametrize("outcome", [Outcome.SKIPPED, Outcome.MISSING, Outcome.ERRORED])
def test_verify_any_other_outcome_is_different(outcome):
    app = SimulatedApp({**STEADY, "t.py::test_x": fails_where(outcome, umask="0077")})
    (finding,) = verify(app, UMASK).hosts[1].findings
    assert (finding.difference.reference, finding.difference.here) == ("passed", outcome)
    assert finding.cause.factors == {"umask": "0077"}


def test_verify_test_that_passes_only_on_a_host_is_different_and_the_reference_fails():
    def behavior(levels, chance):
        return Outcome.PASSED if "umask" in levels else Outcome.FAILED

    result = verify(SimulatedApp({**STEADY, "t.py::test_x": behavior}), UMASK)
    assert result.hosts[0].verdict is VerdictWord.FAILED
    assert result.hosts[0].reasons == ("1 test fails on the reference",)
    (finding,) = result.hosts[1].findings
    assert (finding.difference.reference, finding.difference.here) == ("failed", "passed")


def test_verify_tests_that_fail_on_the_reference_are_failed_and_hosts_still_run():
    app = SimulatedApp({**STEADY, **{f"t.py::test_{n}": fails for n in range(3)}})
    result = verify(app, UMASK)
    assert result.verdict is VerdictWord.FAILED
    assert result.hosts[0].reasons == ("3 tests fail on the reference",)
    assert result.hosts[1].state is State.SAME
    assert result.headline == "web does not pass by itself: 3 tests fail on the reference"


def test_verify_emulated_reference_that_fails_is_inconclusive_as_an_emulator_fails_nothing():
    app = SimulatedApp({**STEADY, "t.py::x": fails}, fidelity={"architecture": Fidelity.ADVISORY})
    emulated = Host(name="reference", factors={"architecture": "s390x"})
    result = verify(app, UMASK, reference=emulated)
    assert result.hosts[0].verdict is VerdictWord.INCONCLUSIVE
    assert "what an emulator shows is advisory" in result.hosts[0].reasons[-1]


def test_verify_failing_reference_that_the_spec_accepts_is_passed_with_the_use_reported():
    rules = Rules(ignore=(Ignore(test="t.py::*", host="reference", reason="known"),))
    result = verify(SimulatedApp({**STEADY, "t.py::test_x": fails}), UMASK, rules=rules)
    assert result.verdict is VerdictWord.PASSED
    assert result.ignores[0].used == 1


def test_verify_accepted_difference_is_passed_with_the_use_reported_and_no_rerun():
    rules = Rules(
        ignore=(
            Ignore(test="t.py::test_x[[]*", host="*", reason="never"),
            Ignore(test="t.py::test_x[*]", host="umask*", reason="known"),
        )
    )
    app = SimulatedApp({**STEADY, "t.py::test_x[a]": fails_where(umask="0077")})
    result = verify(app, UMASK, rules=rules)
    assert result.verdict is VerdictWord.PASSED
    assert (result.hosts[1].state, result.hosts[1].runs) == (State.DIFFERENT, 1)
    assert [each.used for each in result.ignores] == [0, 1]


def test_verify_no_tests_is_inconclusive():
    result = verify(SimulatedApp({}), UMASK)
    assert result.verdict is VerdictWord.INCONCLUSIVE
    assert result.headline == "web is inconclusive: no test ran"
    assert result.hosts[1].state is State.INCONCLUSIVE


def test_verify_all_skipped_is_inconclusive():
    result = verify(SimulatedApp({"t.py::test_x": fails_where(Outcome.SKIPPED)}), UMASK)
    assert result.headline.startswith("web is inconclusive: the only test is skipped on the reference")


@pytest.mark.parametrize(
    ("ended", "said"), [(OOM, "runs out of memory"), (Exit(signal=11), "signal 11"), (Exit(code=3), "exit 3")]
)
def test_verify_reference_that_ends_badly_every_time_is_failed(ended, said):
    result = verify(SimulatedApp(STEADY, ends=lambda _: ended), UMASK)
    assert result.verdict is VerdictWord.FAILED
    assert said in result.hosts[0].reasons[0]
    assert "seatrial run" in result.hosts[0].hint


def test_verify_reference_with_an_unstable_exit_is_inconclusive():
    codes = iter([0, 3] * 100)
    app = SimulatedApp(STEADY, ends=lambda levels: Exit(code=3) if levels else Exit(code=next(codes)))
    result = verify(app, UMASK)
    assert result.hosts[0].verdict is VerdictWord.INCONCLUSIVE


def test_verify_exit_that_differs_alone_is_a_difference():
    app = SimulatedApp(STEADY, ends=lambda levels: OOM if "umask" in levels else None)
    result = verify(app, UMASK)
    (finding,) = result.hosts[1].findings
    assert (finding.difference.kind, finding.difference.here) == ("exit", "limit oom")
    assert finding.cause.state is CauseState.CAUSED


def test_verify_trace_that_differs_alone_is_same_with_a_note():
    def change(observation, levels):
        return replace(observation, changed=("/app/new",) if levels else ())

    result = verify(SimulatedApp(STEADY, change=change), UMASK)
    assert result.hosts[1].state is State.SAME
    assert result.hosts[1].notes[0].kind == "file"


@pytest.mark.parametrize(("named", "verdict"), [(False, VerdictWord.PASSED), (True, VerdictWord.INCONCLUSIVE)])
def test_verify_advisory_difference_never_fails(named, verdict):
    app = SimulatedApp({**STEADY, "t.py::x": fails_where(umask="0077")}, fidelity={"umask": Fidelity.ADVISORY})
    result = verify(app, UMASK, named=named)
    assert result.hosts[1].state is State.DIFFERENT
    assert result.verdict is verdict


def test_verify_emulated_difference_is_failed():
    app = SimulatedApp({**STEADY, "t.py::x": fails_where(umask="0077")}, fidelity={"umask": Fidelity.EMULATED})
    assert verify(app, UMASK).verdict is VerdictWord.FAILED


def test_verify_level_not_in_effect_is_inconclusive():
    result = verify(SimulatedApp(STEADY, ineffective=frozenset({"umask"})), UMASK, COLUMNS)
    assert result.hosts[1].reasons == ("umask was not in effect: asked for 0077, found other",)
    assert [each.verdict for each in result.hosts] == [
        VerdictWord.PASSED,
        VerdictWord.INCONCLUSIVE,
        VerdictWord.PASSED,
    ]


def test_verify_level_without_proof_is_inconclusive():
    app = SimulatedApp(STEADY, change=lambda observation, _: replace(observation, evidence={}))
    assert verify(app, UMASK).hosts[1].reasons == ("nothing shows that umask=0077 was in effect",)


def test_verify_shadowed_module_is_inconclusive_unless_accepted():
    def change(observation, levels):
        shadow = Shadow(module="croniter", loaded="/app/croniter.py", image="/usr/lib/croniter.py")
        return replace(observation, report=replace(observation.report, shadows=(shadow,)))

    result = verify(SimulatedApp(STEADY, change=change), UMASK)
    assert result.verdict is VerdictWord.INCONCLUSIVE
    assert "croniter" in result.hosts[0].reasons[0]


def test_verify_lost_run_is_inconclusive():
    result = verify(SimulatedApp(STEADY, lost=frozenset({"umask"})), UMASK)
    assert [each.verdict for each in result.hosts] == [VerdictWord.PASSED, VerdictWord.INCONCLUSIVE]


@pytest.mark.parametrize(("named", "verdict"), [(False, VerdictWord.PASSED), (True, VerdictWord.INCONCLUSIVE)])
def test_verify_unavailable_host_counts_where_it_is_named(named, verdict):
    def check(plan):
        return Unsupported(reason="no such thing", hint="get one") if "umask" in plan.levels else None

    result = verify(SimulatedApp(STEADY), UMASK, COLUMNS, check=check, named=named)
    assert result.hosts[1].state is State.UNAVAILABLE
    assert result.verdict is verdict
    whole = conclude([result], duration=1, seed=0)
    assert [(each.host, each.hint) for each in whole.unavailable] == [("umask-0077", "get one")]


def test_verify_all_hosts_unavailable_is_never_passed():
    result = verify(
        SimulatedApp(STEADY),
        UMASK,
        check=lambda plan: Unsupported(reason="no") if plan.levels else None,
        named=False,
    )
    assert result.verdict is VerdictWord.INCONCLUSIVE


@pytest.mark.parametrize(
    ("unbegun", "headline"),
    [
        (("orders",), "1 of 2 environments was not verified: orders"),
        (("orders", "shop", "till"), "3 of 4 environments were not verified"),
    ],
)
def test_conclude_what_was_not_begun_is_never_passed(unbegun, headline):
    result = verify(SimulatedApp(STEADY), UMASK)
    whole = conclude([result], duration=1, seed=0, partial=True, unbegun=unbegun)
    assert (result.verdict, whole.verdict) == (VerdictWord.PASSED, VerdictWord.INCONCLUSIVE)
    assert whole.headline == headline


def test_conclude_what_was_not_begun_hides_no_failure():
    failed = verify(SimulatedApp({**STEADY, "t.py::test_x": fails}), UMASK)
    whole = conclude([failed], duration=1, seed=0, partial=True, unbegun=("orders",))
    assert (whole.verdict, whole.headline) == (VerdictWord.FAILED, failed.headline)


def test_verify_no_hosts_is_never_passed():
    assert verify(SimulatedApp(STEADY)).verdict is VerdictWord.INCONCLUSIVE


def test_verify_spent_budget_before_confirmation_is_inconclusive():
    app = SimulatedApp({**STEADY, "t.py::x": fails_where(umask="0077")})
    result = verify(app, UMASK, runs=6)
    assert result.hosts[1].state is State.INCONCLUSIVE
    assert "budget" in result.hosts[1].reasons[0]


def test_verify_budget_of_nothing_compares_and_looks_for_no_cause():
    app = SimulatedApp({**STEADY, "t.py::x": fails_where(umask="0077")})
    result = verify(app, HARDENED, COLUMNS, milliseconds=0, predicts=False)
    assert [each.state for each in result.hosts] == [State.REFERENCE, State.INCONCLUSIVE, State.SAME]
    assert result.work.runs == 4  # the reference twice, as something differs


def test_verify_hosts_of_which_all_is_proven_are_explained_at_the_same_time():
    app = SimulatedApp({**STEADY, "t.py::x": fails_where(umask="0077")})
    more = ({"cpus": "1"}, {"open-files": "64"})
    alike = [replace(HARDENED, name=f"hardened-{'-'.join(each)}", factors=HARDENED.factors | each) for each in more]
    together = threading.Barrier(len(alike))

    class Meeting:
        def run(self, cell):
            if cell.series in {each.digest.text for each in alike} and cell.index == 1:
                together.wait(timeout=30)
            return app.run(cell)

    result = verify(Meeting(), UMASK, *alike)
    assert {dict(each.findings[0].cause.factors)["umask"] for each in result.hosts[1:]} == {"0077"}
    assert not together.broken


def test_verify_question_leaves_room_for_a_run_of_the_reference_that_confirms_what_is_found():
    app = SimulatedApp({**STEADY, "t.py::x": fails_where(umask="0077")})
    beside = threading.Event()
    alone = []

    class Meeting:
        def run(self, cell):
            if cell.series == HARDENED.digest.text:
                if cell.host.name == "reference" and cell.index == LOOK + 1:
                    beside.set()
                elif cell.host.name not in {"reference", "hardened"} and not beside.wait(timeout=30):
                    alone.append(cell)
            return app.run(cell)

    result = verify(Meeting(), HARDENED)
    assert dict(result.hosts[1].findings[0].cause.factors) == {"umask": "0077"}
    assert not alone


def test_verify_spent_budget_after_confirmation_is_failed_with_an_inconclusive_cause():
    app = SimulatedApp({**STEADY, "t.py::x": fails_where(umask="0077", locale="C")})
    result = verify(app, HARDENED, runs=18)
    assert result.verdict is VerdictWord.FAILED
    (finding,) = result.hosts[1].findings
    assert finding.cause.state is CauseState.INCONCLUSIVE
    assert finding.cause.confirmed
    assert "--host hardened" in finding.reproduce


def test_verify_twice_runs_nothing_again():
    app = SimulatedApp({**STEADY, "t.py::x": fails_where(umask="0077"), "t.py::y": flaky(0.4)})
    first = verify(app, UMASK, HARDENED)
    runs = app.runs
    second = verify(app, UMASK, HARDENED)
    assert app.runs == runs
    assert [(each.state, each.findings) for each in first.hosts] == [
        (each.state, each.findings) for each in second.hosts
    ]


def test_verify_interrupted_gives_what_was_found():
    stop = threading.Event()

    def tell(event):
        if type(event).__name__ == "HostJudged" and event.result.state is State.SAME:
            raise KeyboardInterrupt

    def check(plan):
        if "columns" in plan.levels:
            stop.wait(10)
            raise StoppedError("interrupted")

    with pytest.raises(Interrupted) as caught:
        verify(SimulatedApp(STEADY), UMASK, COLUMNS, check=check, stop=stop, tell=tell)
    assert stop.is_set()
    partial = caught.value.partial
    assert partial.verdict is VerdictWord.INCONCLUSIVE
    assert [each.state for each in partial.hosts].count(State.SAME) == 1


def test_verify_cause_that_one_host_has_proven_is_not_searched_for_on_the_next():
    app = SimulatedApp({**STEADY, "t.py::test_mode": fails_where(umask="0077")})
    result = verify(app, HARDENED, UMASK)
    hardened, umask = result.hosts[1:]
    assert [host.findings[0].cause.factors for host in (hardened, umask)] == [{"umask": "0077"}] * 2
    assert hardened.findings[0].cause.with_ == umask.findings[0].cause.with_
    assert hardened.findings[0].cause.cleared == ("columns", "hash-seed", "locale", "timezone")
    assert umask.runs - 1 == 16  # of the host alone, with the reference's
    assert hardened.runs - 1 <= 4  # of its other levels
    alone = verify(SimulatedApp({**STEADY, "t.py::test_mode": fails_where(umask="0077")}), HARDENED)
    assert alone.hosts[1].runs - 1 > 16


def test_verify_proven_cause_hides_no_other_cause_of_the_same_behavior():
    behavior = either(fails_where(umask="0077"), fails_where(timezone="Asia/Kolkata"))
    result = verify(SimulatedApp({**STEADY, "t.py::test_x": behavior}), HARDENED, UMASK)
    cause = result.hosts[1].findings[0].cause
    assert {*cause.factors, *cause.alternatives[0]} == {"umask", "timezone"}
    assert cause.cleared == ("columns", "hash-seed", "locale")


def test_verify_fail_fast_ends_with_the_first_host_that_fails_and_says_what_did_not_run():
    class Slow(SimulatedApp):
        def run(self, cell):
            if "columns" in cell.host.factors:
                time.sleep(0.02)  # the one that fails is told before all others have run
            return super().run(cell)

    app = Slow({**STEADY, "t.py::test_mode": fails_where(umask="0077")})
    others = [Host(name=f"narrow-{number}", factors={"columns": str(number)}) for number in range(40, 60)]
    result = verify(app, UMASK, *others, fail_fast=True)
    assert result.verdict is VerdictWord.FAILED
    states = [each.state for each in result.hosts[1:]]
    assert states[0] is State.DIFFERENT
    assert set(states[1:]) <= {State.SAME, State.INCONCLUSIVE}
    put_off = [each for each in result.hosts if each.reasons and "--fail-fast" in each.reasons[0]]
    assert len(put_off) == states.count(State.INCONCLUSIVE) > 0


@pytest.mark.parametrize("seed", range(3))
def test_verify_fail_fast_goes_on_after_a_host_that_differed_by_chance(seed):
    app = SimulatedApp({**STEADY, "t.py::test_x": flaky(0.4)}, seed=seed)
    hosts = [Host(name=f"narrow-{number}", factors={"columns": str(number)}) for number in range(40, 50)]
    result = verify(app, *hosts, fail_fast=True)
    assert not any("--fail-fast" in reason for each in result.hosts for reason in each.reasons)
    assert result.verdict is not VerdictWord.FAILED


def test_verify_interrupted_while_it_explains_keeps_what_differs():
    app = SimulatedApp({"t.py::test_a": fails_where(umask="0077"), "t.py::test_b": passes})
    is_explaining = threading.Event()

    class Reruns(SimulatedApp):
        def run(self, cell):
            if cell.index and cell.series:
                is_explaining.set()
                raise KeyboardInterrupt
            return super().run(cell)

    with pytest.raises(Interrupted) as caught:
        verify(Reruns(app.tests), HARDENED)
    assert is_explaining.is_set()
    host = caught.value.partial.hosts[1]
    assert (host.state, host.verdict) == (State.INCONCLUSIVE, VerdictWord.INCONCLUSIVE)
    assert host.reasons == ("1 test could not be told from chance: the verification was interrupted",)
    (finding,) = host.findings
    assert (finding.difference.id, finding.difference.here) == ("t.py::test_a", "failed")
    assert finding.reproduce == "seatrial run envs/web.yaml --host hardened -- python3 -m pytest t.py::test_a"
