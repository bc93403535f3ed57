"""What a host shows as test cases, for formats whose readers know tests: one for each difference, one for the rest.

A verification keeps the names of what differs and the number of what does not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pipeline.report.groups import Reading, reading
from pipeline.report.sentences import happens, removals, times, title, transition, trial
from pipeline.report.summary import outcomes
from pipeline.verify.verdict import Finding, HostResult, State, VerdictWord


class Status(StrEnum):
    """What became of a case."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test case. Its texts are as strangers wrote them.

    Args:
        name: of the test, or of what differs.
        status: what became of it.
        word: Seatrial's own word for that; empty where nothing is to be said.
        said: one sentence.
        detail: lines behind it: the message, the trial, the reproducer.
        output: lines that a passed case has to tell; a FLAKY one has them whatever its status.
        duration: milliseconds; 0 where nobody knows.
        finding: what it tells of; None for the rest.
    """

    name: str
    status: Status
    word: str = ""
    said: str = ""
    detail: str = ""
    output: str = ""
    duration: int = 0
    finding: Finding | None = None


def cases(host: HostResult) -> Iterator[Case]:
    """Yield one case for each finding of a host, then one for all that does not differ."""
    is_failing = fails_as_flaky(host)
    for finding in host.findings:
        yield _case(host, finding, is_failing=is_failing)
    yield _rest(host)


def fails_as_flaky(host: HostResult) -> bool:
    """Tell whether what is flaky on a host makes it fail: ``flaky: fail``, and nothing else that does."""
    alone = all(reading(each) is not Reading.DIFFERENT for each in host.findings)
    return alone and host.verdict is VerdictWord.FAILED


def _case(host: HostResult, finding: Finding, *, is_failing: bool) -> Case:
    """Return one difference: failed, skipped where a rule accepts it, passed with a word where it is flaky."""
    difference, name = finding.difference, title(finding.difference)
    said = transition(difference, [host])
    parts = (difference.message, trial(finding), removals(finding), finding.reproduce)
    detail = "\n".join(part for part in parts if part)
    match reading(finding):
        case Reading.DIFFERENT:
            return Case(name=name, status=Status.FAILED, word="DIFFERENT", said=said, detail=detail, finding=finding)
        case Reading.UNDECIDED:
            detail = f"{detail}\n{finding.cause.reason if finding.cause else ''}"
            return Case(
                name=name, status=Status.UNDECIDED, word="INCONCLUSIVE", said=said, detail=detail, finding=finding
            )
        case Reading.ACCEPTED:
            said = f"accepted: {finding.ignored}"
            return Case(name=name, status=Status.SKIPPED, word="ACCEPTED", said=said, finding=finding)
        case Reading.FLAKY:
            status = Status.FAILED if is_failing else Status.PASSED
            output = f"FLAKY: {_rates(finding)}\n{detail}"
            return Case(
                name=name, status=status, word="FLAKY", said=said, detail=detail, output=output, finding=finding
            )


def _rates(finding: Finding) -> str:
    cause = finding.cause
    sides = [("here", cause.with_), ("on the reference", cause.without)] if cause else []
    seen = [f"{times(rate)} times {where}" for where, rate in sides if rate]
    if not seen:
        return "differs now and then; no host is to blame"
    first = "" if any(rate.failed for _, rate in sides if rate) else "once, then "
    return f"{happens(finding.difference)} {first}{', '.join(seen)}; no host is to blame"


def _rest(host: HostResult) -> Case:
    """Return one case for what does not differ: it says why, where nothing can be said of the host."""
    name = "runs the suite" if host.state is State.REFERENCE else "every other test behaves as on the reference"
    reason = "; ".join((*host.reasons, *((host.hint,) if host.hint else ())))
    status, word, said, output = Status.PASSED, "", "", ""
    if host.state is State.UNAVAILABLE:
        status, word, said = Status.SKIPPED, "UNAVAILABLE", reason or "this host cannot run here"
    elif not host.findings and host.verdict is VerdictWord.INCONCLUSIVE:
        status, word, said = Status.UNDECIDED, "INCONCLUSIVE", reason or "nothing can be said of this host"
    elif not host.findings and host.verdict is VerdictWord.FAILED:
        status, word, said = Status.FAILED, "FAILED", reason or "this host fails"
    else:
        output = f"{outcomes(host.tests)}{'; ' * bool(reason)}{reason}"
    return Case(name=name, status=status, word=word, said=said, output=output, duration=host.duration)
