"""The report in the Common Test Report Format: a test for each difference of each host, and one for the rest of it.

Source: ctrf.io, specification 0.0.0. It demands the times at which a run began and ended. A report has a duration and
no clock, so that the same run gives the same bytes: it begins at 0 here.
"""

from collections.abc import Mapping
from uuid import NAMESPACE_URL, uuid5

from pipeline.report.cases import Case, Status, cases
from pipeline.report.document import details, facts, identity, written
from pipeline.report.json import SCHEMA
from pipeline.report.sentences import place, removals, trial
from pipeline.verify.verdict import EnvironmentResult, Finding, HostResult, VerdictWord, Verification

SPECIFICATION = "0.0.0"

STATUSES: Mapping[Status, str] = {
    Status.PASSED: "passed",
    Status.FAILED: "failed",
    Status.SKIPPED: "skipped",
    Status.UNDECIDED: "other",
}
"""What the format calls it; nothing of ours is ``pending``."""


def render(verification: Verification, version: str) -> str:
    """Return the document, ending in a line feed; ``failed`` are DIFFERENT, ``other`` INCONCLUSIVE.

    Args:
        verification: what was found.
        version: this program's; may be empty.
    """
    tests = [
        _test(environment, host, each)
        for environment in verification.environments
        for host in environment.hosts
        for each in cases(host)
    ]
    results = {
        "tool": {"name": "Seatrial", **({"version": version} if version else {})},
        "summary": _summary(verification, tests),
        "tests": tests,
        "environment": {"healthy": verification.verdict is VerdictWord.PASSED},
        "extra": facts(verification),
    }
    head = {"reportFormat": "CTRF", "specVersion": SPECIFICATION, "generatedBy": f"Seatrial {version}".strip()}
    return written({**head, "results": results})


def _summary(verification: Verification, tests: list[dict[str, object]]) -> dict[str, int]:
    found = dict.fromkeys((*STATUSES.values(), "pending"), 0)
    for each in tests:
        found[str(each["status"])] += 1
    return {
        "tests": len(tests),
        **found,
        "flaky": sum("flaky" in each for each in tests),
        "suites": sum(len(each.hosts) for each in verification.environments),
        "start": 0,
        "stop": verification.duration,
        "duration": verification.duration,
    }


def _test(environment: EnvironmentResult, host: HostResult, case: Case) -> dict[str, object]:
    finding = case.finding
    what = (finding.difference.kind, finding.difference.id) if finding else ()
    test: dict[str, object] = {
        # The same test of the same host keeps it: readers follow a test over runs by it.
        "id": str(uuid5(NAMESPACE_URL, f"{SCHEMA}#{identity(environment.name, host.name, *what)}")),
        "name": case.name or "(no name)",
        "status": STATUSES[case.status],
        "duration": case.duration,
        "suite": [environment.name, host.name],
        "message": _message(case),
    }
    if case.word:
        test["rawStatus"] = case.word
    if case.word == "FLAKY":
        test["flaky"] = True
    return test | (_details(finding) if finding else {"extra": {"state": host.state, **_levels(host)}})


def _message(case: Case) -> str:
    if case.finding is None:
        return case.said or case.output
    parts = [case.said, trial(case.finding), removals(case.finding)]
    if case.word == "FLAKY":
        parts = [case.output.partition("\n")[0]]
    if case.finding.cause is not None and case.finding.cause.reason:
        parts.append(case.finding.cause.reason)
    text = "; ".join(part for part in parts if part)
    return f"{text}\nReproduce: {case.finding.reproduce}" if case.finding.reproduce else text


def _details(finding: Finding) -> dict[str, object]:
    found: dict[str, object] = {"extra": details(finding)}
    if finding.difference.message:
        found["trace"] = finding.difference.message
    if (where := place(finding.difference)) is not None:
        found |= {"filePath": where[0], "line": where[1]}
    return found


def _levels(host: HostResult) -> dict[str, object]:
    return {"digest": str(host.digest), "factors": dict(host.factors), "tests": dict(host.tests)}
