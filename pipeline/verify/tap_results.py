"""Read TAP, versions 12 to 14, that a suite wrote to stdout: lines among whatever else it prints.

Ids are the last ``# comment``, ``::`` and the description. Where a document names its subtests (``# Subtest: NAME``, as
Node's runner does), they are the names of the subtests around a test, and other comments are talk.

Source: Test Anything Protocol, specification of version 14.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from errno import errorcode

from pipeline.verify.suite import (
    MAXIMAL_ID,
    MAXIMAL_TESTS,
    MAXIMAL_TEXT,
    SUITE_ID,
    Results,
    TestOutcome,
    TestReport,
    TestResult,
    numbered,
)

MAXIMAL_DEPTH = 100
"""Subtests nested deeper are read as if they lay at this depth."""

_INDENT = 4
_POINT = re.compile(r"(not )?ok\b(?: +\d+)?(?: +- +| +|$)(.*)", re.DOTALL)
_PLAN = re.compile(r"1\.\.(\d{1,9})(?: *(#.*))?$")
_BAIL_OUT = re.compile(r"Bail out! *(.*)", re.IGNORECASE)
_SUBTEST = re.compile(r"# Subtest(?:: (.*))?$")
_COMMENT = re.compile(r"# (.*)")
_DIRECTIVE = re.compile(r"(?:^|\s)# *(skip|todo)\S*\s*(.*)$", re.IGNORECASE)
_ESCAPE = re.compile(r"\\([\\#])")
_KEY = re.compile(r"(name|code|error|message): *(.*)")
_ERRNO = {name: number for number, name in errorcode.items()}
_BLOCKS = ("|-", "|", ">", ">-")


@dataclass(slots=True, kw_only=True)
class _Level:
    """What was read at one depth, since the test around it began."""

    name: str = ""
    comment: str = ""
    points: int = 0
    failures: int = 0
    planned: int | None = None
    reason: str | None = None


@dataclass(slots=True, kw_only=True)
class _Point:
    id: str
    is_ok: bool
    directive: str
    reason: str
    details: dict[str, str]


@dataclass(slots=True, kw_only=True)
class _Document:
    """The reader's state: one level for each depth that is open, the outermost first."""

    levels: list[_Level] = field(default_factory=lambda: [_Level()])
    points: list[_Point] = field(default_factory=list)
    details: dict[str, str] = field(default_factory=dict)
    is_nested: bool = False
    fault: str = ""


def read_tap(raw: bytes, *, is_cut: bool = False) -> TestReport:
    """Return the report of a stream of TAP.

    A test that only sums up its subtests is not one of its own, unless it fails although none of them does. A test to
    do is ``skipped`` with the reason ``xfail: …`` if it fails, ``passed`` if it passes.

    Args:
        raw: what the suite wrote to stdout.
        is_cut: whether more was written than was kept.
    """
    document = _read(raw.decode("utf-8", "backslashreplace").split("\n"))
    tests = [_result(point) for point in document.points]
    top = document.levels[0]
    if top.planned == 0 and not tests:
        reason = _split(top.reason or "")[2][:MAXIMAL_TEXT]
        tests = [TestResult(id=SUITE_ID, outcome=TestOutcome.SKIPPED, reason=reason)]
    fault = document.fault or _incomplete(top, is_cut=is_cut)
    return TestReport(source=Results.TAP, tests=numbered(tests), complete=not fault, fault=fault)


def _incomplete(top: _Level, *, is_cut: bool) -> str:
    if is_cut:
        return "more was written to stdout than is kept; the rest of its TAP was not read"
    if top.planned is None:
        return "the TAP on stdout has no plan: it was cut short" if top.points else "there is no TAP on stdout"
    if top.planned != top.points:
        return f"the TAP on stdout plans {top.planned} tests and has {top.points}"
    return ""


def _read(lines: list[str]) -> _Document:
    document = _Document()
    rest = iter(lines)
    is_after_point = False
    for raw in rest:
        line = raw.rstrip()
        text = line.lstrip(" ")
        depth = min((len(line) - len(text)) // _INDENT, MAXIMAL_DEPTH)
        found = None
        if text == "---" and is_after_point:
            _keep(document.details, rest, line.removesuffix("---"))
        elif found := _BAIL_OUT.match(text):
            document.fault = f"the suite bailed out: {found.group(1)}"[:MAXIMAL_TEXT].removesuffix(": ")
            break
        elif found := _POINT.match(text):
            _point(document, depth, found)
        else:
            _other(document, depth, text)
        is_after_point = found is not None
        if len(document.points) >= MAXIMAL_TESTS:
            document.fault = f"more than {MAXIMAL_TESTS} tests; the rest was not read"
            break
    return document


def _keep(details: dict[str, str], rest: Iterator[str], indent: str) -> None:
    """Read a block of YAML: the few keys that are understood, as text; nothing in it is loaded."""
    wanted = ""
    for line in rest:
        text = line.rstrip().removeprefix(indent)
        if text == "...":
            return
        if wanted:
            details.setdefault(wanted, text.strip())
            wanted = ""
        elif found := _KEY.match(text):
            value = found.group(2).strip()
            wanted = found.group(1) if value in _BLOCKS else ""
            if not wanted:
                details.setdefault(found.group(1), value.strip("'\""))


def _other(document: _Document, depth: int, text: str) -> None:
    level = _level(document, depth)
    if found := _PLAN.match(text):
        level.planned, level.reason = int(found.group(1)), found.group(2)
    elif found := _SUBTEST.match(text):
        document.is_nested = True
        level.name = _plain(found.group(1) or "")
    elif found := _COMMENT.match(text):
        level.comment = found.group(1).strip()


def _level(document: _Document, depth: int) -> _Level:
    """Return the level at ``depth``; what lies deeper stays until the test around it ends."""
    while len(document.levels) <= depth:
        document.levels.append(_Level())
    return document.levels[depth]


def _point(document: _Document, depth: int, found: re.Match[str]) -> None:
    level = _level(document, depth)
    inner = document.levels[depth + 1 :]
    del document.levels[depth + 1 :]
    is_ok, (description, directive, reason) = not found.group(1), _split(found.group(2))
    level.points += 1
    document.details = {}
    level.failures += not is_ok and not directive
    if any(each.points for each in inner) and (is_ok or directive or any(each.failures for each in inner)):
        return
    around = _around(document, depth)
    name = "::".join((*around, description or "(no name)"))[:MAXIMAL_ID]
    document.points.append(_Point(id=name, is_ok=is_ok, directive=directive, reason=reason, details=document.details))


def _around(document: _Document, depth: int) -> Iterable[str]:
    if document.is_nested:
        return [level.name for level in document.levels[:depth] if level.name]
    comments = (level.comment for level in reversed(document.levels) if level.comment)
    return [next(comments)] if any(level.comment for level in document.levels) else []


def _split(text: str) -> tuple[str, str, str]:
    """Return the description, the directive in lower case, and its reason."""
    found = _DIRECTIVE.search(text)
    if not found:
        return _plain(text), "", ""
    return _plain(text[: found.start()]), found.group(1).lower(), found.group(2).strip()


def _plain(text: str) -> str:
    return _ESCAPE.sub(r"\1", text).strip()


def _result(point: _Point) -> TestResult:
    if point.directive == "skip" or (point.directive == "todo" and not point.is_ok):
        reason = f"xfail: {point.reason}" if point.directive == "todo" else point.reason
        return TestResult(id=point.id, outcome=TestOutcome.SKIPPED, reason=reason[:MAXIMAL_TEXT])
    if point.is_ok:
        return TestResult(id=point.id, outcome=TestOutcome.PASSED, phase="call")
    details = point.details
    return TestResult(
        id=point.id,
        outcome=TestOutcome.FAILED,
        phase="call",
        exception=(details.get("name") or details.get("code", ""))[:MAXIMAL_ID],
        errno=_ERRNO.get(details.get("code", "")),
        message=(details.get("error") or details.get("message", ""))[:MAXIMAL_TEXT],
    )
