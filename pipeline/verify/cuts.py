"""Runs that were cut off, by a limit or a signal: what was under way, and what was never reached."""

from pipeline.verify.observe import Observation
from pipeline.verify.pytest_results import NOT_REACHED, WAS_RUNNING
from pipeline.verify.suite import TestOutcome
from runtime.outcome import Limit

_ENDS = {
    Limit.DEADLINE: "reached its deadline",
    Limit.OOM: "ran out of memory",
    Limit.OUTPUT: "wrote without end",
}


def is_under_way(observation: Observation, test: str) -> bool:
    """Tell whether a test was running when its run was cut off."""
    found = observation.report.tests.get(test)
    return found is not None and found.message == WAS_RUNNING


def under_way(observation: Observation) -> tuple[str, ...]:
    """Return the tests that were running when the run was cut off: one, or more where they run at the same time."""
    return tuple(name for name in observation.report.tests if is_under_way(observation, name))


def is_unreached(observation: Observation, test: str) -> bool:
    """Tell whether a test is missing from a run for no reason but that the run was cut off before it."""
    if observation.exit.is_own:
        return False
    report = observation.report
    if not report.tests:
        return True  # it was cut off before it told of any
    found = report.tests.get(test)
    return found is not None and found.message == NOT_REACHED and bool(under_way(observation))


def cut_text(observation: Observation, test: str = "") -> str:
    """Return how a run was cut off, and what was running then, in a sentence.

    Args:
        observation: of a run that did not end by itself.
        test: the test that is spoken of, if it is one of those that were running.
    """
    ended = observation.exit
    how = _ENDS[ended.limit] if ended.limit is not None else f"was ended by signal {ended.signal}"
    text = f"the run {how}, after {observation.duration / 1000:.1f} s"
    running = under_way(observation)
    if running:
        text += f", while {'this test was' if test in running else _named(running)} running"
    left = sum(
        each.outcome is TestOutcome.MISSING and each.message == NOT_REACHED
        for each in observation.report.tests.values()
    )
    if left:
        text += f"; {left} test{'s' * (left != 1)} after it {'was' if left == 1 else 'were'} not reached"
    return text


def _named(running: tuple[str, ...]) -> str:
    return f"{running[0]} was" if len(running) == 1 else f"{running[0]} and {len(running) - 1} more were"
