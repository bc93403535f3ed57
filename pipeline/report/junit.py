"""The report as JUnit XML: one suite for each host of each environment, its levels and digests as properties.

A host's suite holds what is to be told of it: one case for each difference, and one for all other tests together, since
a verification keeps the names of what differs and the number of what does not.
"""

from collections.abc import Iterator

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from pipeline.report.sentences import happens, removals, times, title, transition, trial
from pipeline.report.summary import Reading, counts, outcomes, reading
from pipeline.report.text import visible
from pipeline.verify.verdict import EnvironmentResult, Finding, HostResult, State, VerdictWord, Verification


def render(verification: Verification) -> str:
    """Return the document, ending in a line feed; ``failures`` are DIFFERENT, ``errors`` INCONCLUSIVE."""
    document = JUnitXml(name="seatrial")
    for environment in verification.environments:
        for host in environment.hosts:
            document.add_testsuite(_suite(verification, environment, host))
    document.update_statistics()  # type: ignore[no-untyped-call]
    written: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return written.decode() + "\n"


def _suite(verification: Verification, environment: EnvironmentResult, host: HostResult) -> TestSuite:
    suite = TestSuite(visible(f"{environment.name} on {host.name}"))
    for name, value in _properties(verification, environment, host):
        suite.add_property(name, visible(value))
    cases = [_case(environment, host, finding) for finding in host.findings]
    cases.append(_rest(environment, host))
    suite.add_testcases(cases)
    suite.time = host.duration / 1000
    return suite


def _properties(
    verification: Verification, environment: EnvironmentResult, host: HostResult
) -> Iterator[tuple[str, str]]:
    found = counts(environment)
    yield "environment", environment.name
    yield "verdict", environment.verdict
    yield "headline", verification.headline
    yield "partial", "true" if verification.partial else "false"
    yield "image", str(environment.image)
    yield "suite", str(environment.suite)
    for name in ("tests", "hosts", "ran", "different", "flaky", "undecided", "accepted", "not_run"):
        yield f"count.{name}", str(getattr(found, name))
    yield "host", host.name
    yield "host.digest", str(host.digest)
    yield "state", host.state
    yield "behavior", str(host.behavior or "")
    yield "fidelity", host.fidelity
    yield "runs", str(host.runs)
    for outcome, number in host.tests.items():
        yield f"tests.{outcome}", str(number)
    for factor, level in host.factors.items():
        yield f"factor.{factor}", level
    for factor, text in host.evidence.items():
        yield f"evidence.{factor}", text
    for each in host.notes:
        yield f"note.{each.kind}", each.text


def _case(environment: EnvironmentResult, host: HostResult, finding: Finding) -> TestCase:
    """Return one difference: a failure, skipped where a rule accepts it, passed with a word where it is flaky."""
    case = TestCase(visible(title(finding.difference)), visible(f"{environment.name}.{host.name}"))
    difference, how = finding.difference, reading(finding)
    said = visible(transition(difference, [host]))
    text = "\n".join(
        part for part in (difference.message, trial(finding), removals(finding), finding.reproduce) if part
    )
    match how:
        case Reading.DIFFERENT:
            case.result = [_result(Failure(said, "DIFFERENT"), text)]
        case Reading.UNDECIDED:
            reason = finding.cause.reason if finding.cause else ""
            case.result = [_result(Error(said, "INCONCLUSIVE"), f"{text}\n{reason}")]
        case Reading.ACCEPTED:
            case.result = [Skipped(visible(f"accepted: {finding.ignored}"), "ACCEPTED")]
        case Reading.FLAKY:
            alone = all(reading(each) is not Reading.DIFFERENT for each in host.findings)
            fails = alone and host.verdict is VerdictWord.FAILED  # `flaky: fail`
            case.result = [_result(Failure(said, "FLAKY"), text)] if fails else []
            case.system_out = visible(f"FLAKY: {_rates(finding)}\n{text}", lines=True)
    return case


def _rates(finding: Finding) -> str:
    cause = finding.cause
    sides = [("here", cause.with_), ("on the reference", cause.without)] if cause else []
    seen = [f"{times(rate)} times {where}" for where, rate in sides if rate]
    if not seen:
        return "differs now and then; no host is to blame"
    first = "" if any(rate.failed for _, rate in sides if rate) else "once, then "
    return f"{happens(finding.difference)} {first}{', '.join(seen)}; no host is to blame"


def _rest(environment: EnvironmentResult, host: HostResult) -> TestCase:
    """Return one case for what does not differ: it says why, where nothing can be said of the host."""
    name = "runs the suite" if host.state is State.REFERENCE else "every other test behaves as on the reference"
    case = TestCase(name, visible(f"{environment.name}.{host.name}"))
    case.time = host.duration / 1000
    reason = visible("; ".join((*host.reasons, *((host.hint,) if host.hint else ()))))
    if host.state is State.UNAVAILABLE:
        case.result = [Skipped(reason or "this host cannot run here", "UNAVAILABLE")]
    elif not host.findings and host.verdict is VerdictWord.INCONCLUSIVE:
        case.result = [Error(reason or "nothing can be said of this host", "INCONCLUSIVE")]
    elif not host.findings and host.verdict is VerdictWord.FAILED:
        case.result = [Failure(reason or "this host fails", "FAILED")]
    else:
        case.system_out = f"{outcomes(host.tests)}{'; ' * bool(reason)}{reason}"
    return case


def _result(result: Failure | Error, text: str) -> Failure | Error:
    result.text = visible(text, lines=True)
    return result
