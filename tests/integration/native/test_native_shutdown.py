"""What outlives a suite is told of: whether it was left behind, whether it heeds SIGTERM, and how long that takes."""

import time

import pytest

from runtime.backend import Unsupported
from runtime.backends.native import leftovers
from runtime.outcome import Ending

HEEDS = "sleep 300 & exit 3"
STUBBORN = "(trap '' TERM; while :; do sleep 0.1; done) & sleep 0.2; exit 3"
SLOW = "(trap 'sleep 0.4; exit 7' TERM; while :; do sleep 0.05; done) & sleep 0.2; exit 3"
GRACE = 2000


@pytest.fixture(params=["compiled", "python"])
def shut_down(request, run):
    """Run a line of shell under either process 1: a run with another clock since boot has no compiled one."""
    host = {"uptime": "1000d"} if request.param == "python" else {}

    def outcome_of(line, grace=GRACE, **changes):
        return run("bash", "-c", line, host=host, grace=grace, **changes)

    return outcome_of


def told(outcome):
    return {(each.name, str(each)) for each in outcome.shutdown}


def test_program_that_leaves_nothing_has_nothing_told_of_it(shut_down):
    assert shut_down("true & sleep 0 & wait; exit 3").shutdown == ()


def test_process_that_ends_by_itself_at_the_end_was_not_left_behind(shut_down):
    assert shut_down("sleep 0.01 & exit 3").shutdown == ()


def test_process_that_heeds_sigterm_is_told_of_with_its_time(shut_down):
    outcome = shut_down(HEEDS)
    assert (outcome.exit_code, told(outcome)) == (3, {("sleep", "signal 15")})
    assert outcome.shutdown[0].duration < 1000


def test_process_that_ends_late_tells_its_own_exit_and_how_late(shut_down):
    outcome = shut_down(SLOW)
    (slow,) = [each for each in outcome.shutdown if each.name == "bash"]
    assert (str(slow), 400 <= slow.duration < GRACE) == ("exit 7", True)
    assert outcome.duration < GRACE


def test_process_that_ignores_sigterm_is_killed_after_its_grace(shut_down):
    began = time.monotonic()
    outcome = shut_down(STUBBORN, grace=500)
    assert time.monotonic() - began < 5
    assert outcome.exit_code == 3
    assert ("bash", "killed") in told(outcome)
    assert all(each.duration >= 500 for each in outcome.shutdown if each.name == "bash")


def test_without_a_grace_nobody_is_asked(shut_down):
    # One that is killed while it waits for a child may take that child's end along, and then nobody hears of it.
    line = "trap 'echo asked' TERM; (trap 'echo asked' TERM; read -r < <(exec sleep 300)) & sleep 1; exit 3"
    outcome = shut_down(line, grace=0)
    assert told(outcome) == {("bash", "killed"), ("sleep", "killed")}
    assert {each.duration for each in outcome.shutdown} == {-1}
    assert outcome.stdout.content == b""


def test_grace_ends_with_the_run_that_is_killed_by_its_deadline(shut_down):
    outcome = shut_down(STUBBORN, grace=60_000, deadline=1500)
    assert (outcome.exit_code, outcome.limit) == (3, None)


def test_many_processes_are_told_of_up_to_a_number(shut_down):
    outcome = shut_down("for i in {1..90}; do sleep 300 & done; exit 3")
    assert (len(outcome.shutdown), told(outcome)) == (leftovers.MOST, {("sleep", "signal 15")})


def test_name_that_is_no_word_cannot_break_what_is_told(shut_down):
    line = r"""exec -a x bash -c 'printf "a\"}\\\\\303 b" >/proc/self/comm; sleep 300' & sleep 0.3; exit 3"""
    outcome = shut_down(line)
    assert outcome.exit_code == 3
    assert "sleep" in {each.name for each in outcome.shutdown}
    assert all(each.name.isascii() and '"' not in each.name for each in outcome.shutdown)


def test_pid1_app_leaves_nobody_to_ask(native, plan):
    assert isinstance(native.check(plan("true", host={"pid1": "app"}, grace=GRACE)), Unsupported)


def test_ending_is_read_back_as_it_was_written():
    for each in (Ending(name="db", is_service=True, exit_code=0, duration=3), Ending(name="sh", signal=15)):
        assert Ending.from_json(each.to_json()) == each
