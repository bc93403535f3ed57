"""Judge how the runs of a reference ended, before any of its tests is looked at."""

from collections.abc import Sequence

from pipeline.verify.observe import Exit, Observation
from pipeline.verify.pytest_results import WAS_RUNNING
from pipeline.verify.suite import Results, TestOutcome, TestReport
from pipeline.verify.verdict import VerdictWord
from pipeline.verify.wording import tests
from runtime.outcome import Limit

FAILING = (TestOutcome.FAILED, TestOutcome.ERRORED)
"""The outcomes of a test that explain an exit code."""

_NO_TESTS = 5
"""pytest's exit code where no test ran."""

_CANNOT_START = "seatrial: cannot start "
"""How a run tells that its command is no program that it can start."""


def is_broken(runs: Sequence[Observation]) -> bool:
    """Tell whether a reference has nothing that a host could be compared with."""
    return all(not each.exit.is_own or not _ran(each.report) for each in runs)


def judge_endings(  # noqa: PLR0911 - one row of the table each
    runs: Sequence[Observation], unstable: set[str]
) -> tuple[VerdictWord, tuple[str, ...]]:
    """Judge how the runs of the reference ended, their failing tests apart."""
    exits = {str(each.exit) for each in runs}
    first = runs[0]
    if all(_no_test_ran(each) for each in runs):
        return VerdictWord.INCONCLUSIVE, (_with_fault("no test ran", first.report),)
    if all(not each.exit.is_own for each in runs):
        endings = sorted({_ending(each.exit) for each in runs})
        return VerdictWord.FAILED, (f"the suite {' or '.join(endings)} on the reference{_under_way(first.report)}",)
    silent = [each for each in runs if each.exit.code != 0 and not each.report.count(*FAILING)]
    if len(silent) == len(runs) and len(exits) == 1:
        unstarted = _unstarted(first)
        if unstarted:
            return VerdictWord.FAILED, (f"the suite's command cannot start on the reference: {unstarted}",)
        sentence = f"the suite ends with {first.exit} on the reference, and no test fails"
        return VerdictWord.FAILED, (_with_fault(sentence, first.report),)
    if len(exits) > 1 and not unstable:
        return VerdictWord.INCONCLUSIVE, (f"the reference ends with {' or '.join(sorted(exits))}",)
    if any(not each.exit.is_own for each in runs):
        return VerdictWord.INCONCLUSIVE, (f"the reference ends with {' or '.join(sorted(exits))}",)
    if all(_only_skipped(each.report) for each in runs):
        count = len(first.report.tests)
        skipped = f"{'the only test is' if count == 1 else f'all {tests(count)} are'} skipped on the reference"
        why = next((each.reason for each in first.report.tests.values() if each.reason), "")
        return VerdictWord.INCONCLUSIVE, (f"{skipped}, the first of them for: {why}" if why else skipped,)
    if first.report.fault:
        return VerdictWord.INCONCLUSIVE, (first.report.fault,)
    return VerdictWord.PASSED, ()


def _ending(ended: Exit) -> str:
    """Say of a run that did not end by itself what ended it."""
    match ended.limit:
        case Limit.DEADLINE:
            return "does not end within its timeout"
        case Limit.OOM:
            return "runs out of memory"
        case Limit.OUTPUT:
            return "writes without end"
        case None:
            return f"ends by signal {ended.signal}"


def _under_way(report: TestReport) -> str:
    """Name the test that a run's end cut off."""
    found = [each.id for each in report.tests.values() if each.message == WAS_RUNNING]
    return f", while {found[0]} was running" if found else ""


def _unstarted(observation: Observation) -> str:
    """Return why the command could not be started; the program in front of it then says so in its last line."""
    last = observation.tail.strip().rpartition("\n")[2]
    said = last.removeprefix(_CANNOT_START)
    return said if observation.exit.code in (126, 127) and said != last else ""


def _no_test_ran(observation: Observation) -> bool:
    report, ended = observation.report, observation.exit
    return not _ran(report) and (ended.code == 0 or (report.source is Results.PYTEST and ended.code == _NO_TESTS))


def _ran(report: TestReport) -> bool:
    return any(each.outcome is not TestOutcome.MISSING for each in report.tests.values())


def _only_skipped(report: TestReport) -> bool:
    return all(each.outcome is TestOutcome.SKIPPED for each in report.tests.values())


def _with_fault(sentence: str, report: TestReport) -> str:
    return f"{sentence}: {report.fault}" if report.fault else sentence
