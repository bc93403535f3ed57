"""``TestReport``: the app's own tests by id, read from what a run left behind.

Readers never raise for what a suite wrote: a run that is hostile, broken or cut short is a fact about the app, told by
``TestReport.fault``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar

MAXIMAL_TESTS = 200_000
"""No suite may report more tests: a report is held in memory, once for each run."""

MAXIMAL_TEXT = 2000
"""How many characters of a message are kept."""

MAXIMAL_ID = 4000
"""How many characters of an id are kept: parameters can be whole documents."""

SUITE_ID = "suite"
"""The only test of a suite that reports nothing but its exit code."""


class Results(StrEnum):
    """How a suite reports its tests."""

    PYTEST = "pytest"
    JUNIT = "junit"
    TAP = "tap"
    EXIT = "exit"


class TestOutcome(StrEnum):
    """What became of one test. ``missing`` is a test that another run has and this one has not."""

    __test__ = False  # pytest collects classes by this prefix

    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"
    SKIPPED = "skipped"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """What became of one test.

    Args:
        id: canonical: pytest's node id, also where the suite reports in another form.
        outcome: what became of it.
        phase: ``setup``, ``call``, ``teardown`` or ``collect``; empty where the suite does not tell.
        reason: why it was skipped; ``xfail: …`` for a failure that was expected.
        exception: qualified name of the exception's type; empty if there was none.
        errno: of an exception that has one.
        message: the exception's text, cut; never behavior.
        file: where it failed, relative to the working folder; never behavior.
        line: likewise, from 1; 0 if unknown.
    """

    __test__: ClassVar[bool] = False

    id: str
    outcome: TestOutcome
    phase: str = ""
    reason: str = ""
    exception: str = ""
    errno: int | None = None
    message: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A module that was loaded from the suite tree although the image has one of that name.

    Args:
        module: its importable name.
        loaded: the file that was loaded.
        image: the image's own file, which the app would get in production.
    """

    module: str
    loaded: str
    image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestReport:
    """The tests of one run.

    Args:
        source: how the suite reported.
        tests: id → result, in the order of the report. Tests that were collected and left no result are ``missing``.
        collected: ids in the order of collection; empty where the suite does not tell.
        complete: whether the report reached its end.
        fault: why it could not be read, or read only in part; empty if nothing is wrong.
        shadows: modules that tools brought in place of the image's.
        root: the folder that ids of pytest are relative to; empty where the suite does not tell.
    """

    __test__: ClassVar[bool] = False

    source: Results
    tests: Mapping[str, TestResult] = field(default_factory=lambda: MappingProxyType({}))
    collected: tuple[str, ...] = ()
    complete: bool = True
    fault: str = ""
    shadows: tuple[Shadow, ...] = ()
    root: str = ""

    def count(self, *outcomes: TestOutcome) -> int:
        """Return how many tests had one of the outcomes."""
        return sum(result.outcome in outcomes for result in self.tests.values())

    def having(self, *outcomes: TestOutcome) -> tuple[str, ...]:
        """Return the ids of the tests that had one of the outcomes, in the order of the report."""
        return tuple(each.id for each in self.tests.values() if each.outcome in outcomes)

    def outcome(self, test: str) -> TestOutcome:
        """Return what became of a test; ``missing`` if this run does not have it."""
        result = self.tests.get(test)
        return result.outcome if result else TestOutcome.MISSING


def read_exit(exit_code: int | None) -> TestReport:
    """Return the report of a suite that tells nothing but its exit code: one test, ``suite``.

    Args:
        exit_code: None if a signal or a limit ended the program, which fails the suite.
    """
    outcome = TestOutcome.PASSED if exit_code == 0 else TestOutcome.FAILED
    return TestReport(source=Results.EXIT, tests={SUITE_ID: TestResult(id=SUITE_ID, outcome=outcome)})


def numbered(results: Iterable[TestResult]) -> Mapping[str, TestResult]:
    """Return results by id; an id that repeats gets ``#2``, ``#3``, in the order of the report."""
    tests: dict[str, TestResult] = {}
    seen: dict[str, int] = {}
    for result in results:
        number = seen[result.id] = seen.get(result.id, 0) + 1
        name = result.id if number == 1 else f"{result.id}#{number}"
        tests[name] = result if number == 1 else replace(result, id=name)
    return MappingProxyType(tests)


def is_same_id(junit: str, node: str) -> bool:
    """Tell whether a JUnit id and a pytest node id name one test.

    JUnit's ``tests.test_a.T::test_b[x]`` is ``tests/test_a.py::T::test_b[x]``: before the first ``[`` every ``/`` is
    ``.``, ``.py`` is dropped, and of the ``::`` only the last is kept; from the ``[`` on nothing changes.
    """
    return junit == to_junit_id(node)


def to_junit_id(node: str) -> str:
    """Return the JUnit form of a pytest node id, as ``is_same_id`` describes it.

    A node id without ``::`` (a file that could not be collected) has its last ``.`` as the separator, which is how
    pytest's own JUnit report names it: ``tests/test_a.py`` is ``tests.test_a``, with no class.
    """
    name, bracket, parameters = node.partition("[")
    path, *rest = name.split("::")
    dotted = path.removesuffix(".py").replace("/", ".")
    if not rest:
        return dotted + bracket + parameters
    return "::".join((".".join((dotted, *rest[:-1])), rest[-1])) + bracket + parameters
