"""Read JUnit XML that a suite wrote: a format with many dialects, in a file that nobody vouches for."""

import re
from itertools import islice
from xml.etree.ElementTree import ParseError

from junitparser import Error, Failure, JUnitXml, JUnitXmlError, Skipped, TestCase

from pipeline.verify.suite import (
    MAXIMAL_ID,
    MAXIMAL_TESTS,
    MAXIMAL_TEXT,
    Results,
    TestOutcome,
    TestReport,
    TestResult,
    numbered,
)

_DECLARATION = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
_TYPE = re.compile(r"([A-Za-z_][\w.]*)(?::|\s*$)")
_PYTEST_SKIP = "pytest.skip"
_PYTEST_XFAIL = "pytest.xfail"


def read_junit(raw: bytes | None) -> TestReport:
    """Return the report of a JUnit file.

    Ids are ``CLASSNAME::NAME``, or ``NAME`` without a class. Where the file names the source of a test, as pytest's
    ``xunit1`` does, they are pytest's node ids.

    Args:
        raw: the file; None if there was none. Anything but UTF-8, a document type or an entity is refused unread:
            expansion of entities is how XML attacks its readers.
    """
    fault, document = _parse(raw)
    if document is None:
        return TestReport(source=Results.JUNIT, complete=False, fault=fault)
    try:
        cases = _cases(document)
    except RecursionError:
        return TestReport(source=Results.JUNIT, complete=False, fault="the JUnit file nests suites too deeply")
    if len(cases) == MAXIMAL_TESTS:
        fault = f"more than {MAXIMAL_TESTS} tests; the rest was not read"
    return TestReport(source=Results.JUNIT, tests=numbered(map(_result, cases)), complete=True, fault=fault)


def _parse(raw: bytes | None) -> tuple[str, JUnitXml | None]:
    if raw is None:
        return "the suite left no JUnit file where suite.results says", None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "the JUnit file is not UTF-8", None
    if _DECLARATION.search(raw):
        return "the JUnit file declares a document type or an entity, which is refused", None
    try:
        # The declaration of an encoding, checked above, is an error for text.
        document = JUnitXml.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text, count=1))
    except (ParseError, JUnitXmlError, ValueError, RecursionError) as error:
        return f"the JUnit file cannot be read: {str(error)[:200]}", None
    return "", document


def _cases(document: JUnitXml) -> list[TestCase]:
    """Return the test cases of a document, those of suites in suites included, up to the cap."""
    return list(islice((case for suite in document for case in suite), MAXIMAL_TESTS))


def _result(case: TestCase) -> TestResult:
    name = _id(case)
    for wanted, outcome, phase in (
        (Failure, TestOutcome.FAILED, "call"),
        (Error, TestOutcome.ERRORED, ""),
        (Skipped, TestOutcome.SKIPPED, ""),
    ):
        for entry in case.result:
            if isinstance(entry, wanted):
                return _told(name, outcome, phase, entry)
    return TestResult(id=name, outcome=TestOutcome.PASSED, phase="call")


def _told(name: str, outcome: TestOutcome, phase: str, entry: Failure | Error | Skipped) -> TestResult:
    message = (entry.message or "").strip()
    kind = (entry.type or "").strip()
    if outcome is TestOutcome.SKIPPED:
        reason = f"xfail: {message}" if kind == _PYTEST_XFAIL else message
        return TestResult(id=name, outcome=outcome, phase=phase, reason=reason[:MAXIMAL_TEXT])
    if not kind:  # pytest puts the type before the text
        found = _TYPE.match(message)
        kind = found.group(1) if found else ""
    return TestResult(
        id=name,
        outcome=outcome,
        phase=phase,
        exception=kind[:MAXIMAL_ID],
        message=(message or (entry.text or "").strip())[:MAXIMAL_TEXT],
    )


def _id(case: TestCase) -> str:
    name = case.name or "(no name)"
    classname = case.classname or ""
    file = case._elem.get("file") or ""  # noqa: SLF001 - junitparser has no attribute for it
    dotted = file.removesuffix(".py").replace("/", ".")
    if file.endswith(".py") and not name.startswith("::"):
        if classname == dotted:
            return f"{file}::{name}"[:MAXIMAL_ID]
        if classname.startswith(dotted + "."):
            classes = classname.removeprefix(dotted + ".").replace(".", "::")
            return f"{file}::{classes}::{name}"[:MAXIMAL_ID]
    return (f"{classname}::{name}" if classname else name)[:MAXIMAL_ID]
