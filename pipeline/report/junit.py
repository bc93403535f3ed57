"""The report as JUnit XML: one suite for each host of each environment, its levels and digests as properties."""

from collections.abc import Iterator

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from pipeline.report.cases import Case, Status, cases
from pipeline.report.summary import counts
from pipeline.report.text import visible
from pipeline.verify.verdict import EnvironmentResult, HostResult, Verification


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
    suite.add_testcases([_case(environment, host, each) for each in cases(host)])
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


def _case(environment: EnvironmentResult, host: HostResult, told: Case) -> TestCase:
    case = TestCase(visible(told.name), visible(f"{environment.name}.{host.name}"))
    if told.finding is None:
        case.time = told.duration / 1000
    said = visible(told.said)
    match told.status:
        case Status.FAILED:
            case.result = [_result(Failure(said, told.word), told.detail)]
        case Status.UNDECIDED:
            case.result = [_result(Error(said, told.word), told.detail)]
        case Status.SKIPPED:
            case.result = [Skipped(said, told.word)]
        case Status.PASSED:
            case.result = []
    if told.output:
        case.system_out = visible(told.output, lines=True)
    return case


def _result(result: Failure | Error, text: str) -> Failure | Error:
    if text:
        result.text = visible(text, lines=True)
    return result
