"""Read what the pytest plug-in streamed out of a run: lines of JSON that the app under test may have cut or forged."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipeline.verify.suite import (
    MAXIMAL_ID,
    MAXIMAL_TESTS,
    MAXIMAL_TEXT,
    Results,
    Shadow,
    TestOutcome,
    TestReport,
    TestResult,
    numbered,
)

FORMAT = 1
"""The format of the lines, as ``plugins/seatrial_pytest.py`` writes it."""

MAXIMAL_LINE = 4 * 1024 * 1024
"""Bytes of one line; a longer one is no line of the plug-in."""

_PLAIN = 4
"""How many keys a phase of a test has of which nothing is to tell: the event, which test, its phase, its outcome."""

NEVER_STARTED = "pytest reported nothing: it did not start, or the plug-in was disabled"
WAS_RUNNING = "the run ended while this test was running"
NOT_REACHED = "the run ended before this test"


def read_pytest(raw: bytes | None) -> TestReport:
    """Return the report that the plug-in streamed.

    Args:
        raw: the lines; the last may be cut, as a kill leaves it. None if there was no file.

    Returns:
        Every test that was collected; those without a result are ``missing``. Lines that are no events of the plug-in
        are left out, and ``fault`` says so.
    """
    if not raw:
        return TestReport(source=Results.PYTEST, complete=False, fault=NEVER_STARTED)
    reader = _Reader()
    for line in raw.split(b"\n")[:-1]:
        reader.take(line)
    return reader.report()


@dataclass(slots=True)
class _Attempt:
    """One run of one test, phase by phase."""

    id: str
    phases: list[TestResult] = field(default_factory=list)
    is_repeated: bool = False

    def result(self) -> TestResult:
        for outcome in (TestOutcome.FAILED, TestOutcome.ERRORED, TestOutcome.SKIPPED):
            for phase in self.phases:
                if phase.outcome is outcome:
                    return phase
        last = self.phases[-1]
        if last.phase == "setup":
            return TestResult(id=self.id, outcome=TestOutcome.MISSING, message=WAS_RUNNING)
        return last


class _Reader:
    """Turns events into a report, one at a time."""

    def __init__(self) -> None:
        self._collected: list[str] = []
        self._offset = 0
        self._attempts: list[_Attempt] = []
        self._latest: dict[str, _Attempt] = {}
        self._shadows: list[Shadow] = []
        self._root = ""
        self._open_sessions = 0
        self._has_started = False
        self._faults: dict[str, None] = {}

    def take(self, line: bytes) -> None:
        if len(line) > MAXIMAL_LINE:
            self._faults["a line of the results is longer than the plug-in writes"] = None
            return
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            self._faults["a line of the results is not the plug-in's"] = None
            return
        try:
            self._dispatch(event)
        except (KeyError, TypeError, ValueError, IndexError):
            self._faults["an event of the results is malformed"] = None

    def report(self) -> TestReport:
        results = [each.result() for each in self._attempts if not each.is_repeated]
        reached = {each.id for each in self._attempts}
        results += [
            TestResult(id=name, outcome=TestOutcome.MISSING, message=NOT_REACHED)
            for name in dict.fromkeys(self._collected)
            if name not in reached
        ]
        complete = self._has_started and self._open_sessions == 0
        if not self._has_started:
            self._faults.setdefault(NEVER_STARTED)
        return TestReport(
            source=Results.PYTEST,
            tests=numbered(results),
            collected=tuple(self._collected),
            complete=complete,
            fault="; ".join(self._faults),
            shadows=tuple(self._shadows),
            root=self._root,
        )

    def _dispatch(self, event: Mapping[str, object]) -> None:
        match event["event"]:
            case "start":
                self._start(event)
            case "collected":
                self._collect(_texts(event["ids"]))
            case "test":
                self._phase(event)
            case "collection":
                self._collection(event)
            case "shadow" if len(self._shadows) < 1000:
                self._shadows.append(
                    Shadow(module=_text(event, "module"), loaded=_text(event, "loaded"), image=_text(event, "image"))
                )
            case "finish":
                self._open_sessions = max(0, self._open_sessions - 1)
            case _:  # a later plug-in may tell more
                pass

    def _start(self, event: Mapping[str, object]) -> None:
        if event.get("format") != FORMAT:
            self._faults[f"the plug-in writes format {event.get('format')!r}, {FORMAT} is read here"] = None
        self._has_started = True
        self._root = self._root or _text(event, "root")
        self._open_sessions += 1
        self._offset = len(self._collected)

    def _collect(self, ids: Iterable[str]) -> None:
        for name in ids:
            if len(self._collected) >= MAXIMAL_TESTS:
                self._faults[f"more than {MAXIMAL_TESTS} tests; the rest was not read"] = None
                return
            self._collected.append(name)

    def _phase(self, event: Mapping[str, object]) -> None:
        name = self._name(event)
        phase = _text(event, "phase")
        is_rerun = event["outcome"] == "rerun"
        result = None if is_rerun else _result(name, phase, event)
        attempt = self._latest.get(name)
        # A second set-up is a second test of that id, unless a plug-in that retries announced it.
        if attempt is None or (phase == "setup" and attempt.phases):
            if len(self._attempts) >= MAXIMAL_TESTS:
                raise ValueError(name)
            attempt = self._latest[name] = _Attempt(name)
            self._attempts.append(attempt)
        if result is not None:
            attempt.phases.append(result)
        else:
            attempt.is_repeated = True
            del self._latest[name]

    def _collection(self, event: Mapping[str, object]) -> None:
        name = _text(event, "id") or "(session)"
        attempt = _Attempt(name, [_result(name, "collect", event)])
        if len(self._attempts) < MAXIMAL_TESTS:
            self._attempts.append(attempt)

    def _name(self, event: Mapping[str, object]) -> str:
        number = event.get("n")
        if isinstance(number, int) and not isinstance(number, bool):
            if number < 0:
                raise ValueError(number)
            return self._collected[self._offset + number]
        name = _text(event, "id")
        if not name:
            raise KeyError("id")
        return name


def _result(name: str, phase: str, event: Mapping[str, object]) -> TestResult:
    if event["outcome"] == "passed" and len(event) == _PLAIN:
        return TestResult(id=name, outcome=TestOutcome.PASSED, phase=phase)
    return TestResult(
        id=name,
        outcome=_outcome(phase, event["outcome"]),
        phase=phase,
        reason=_text(event, "reason"),
        exception=_text(event, "exception"),
        errno=_number(event, "errno"),
        message=_text(event, "message"),
        file=_text(event, "file"),
        line=max(0, _number(event, "line") or 0),
    )


def _outcome(phase: str, word: object) -> TestOutcome:
    match word:
        case "passed":
            return TestOutcome.PASSED
        case "skipped":
            return TestOutcome.SKIPPED
        case "failed":
            return TestOutcome.FAILED if phase == "call" else TestOutcome.ERRORED
        case _:
            raise ValueError(word)


def _text(event: Mapping[str, object], key: str) -> str:
    value = event.get(key, "")
    if not isinstance(value, str):
        raise TypeError(key)
    return value and _clean(value)[: MAXIMAL_ID if key == "id" else MAXIMAL_TEXT]


def _texts(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TypeError("ids")
    return [_clean(each)[:MAXIMAL_ID] for each in value]


def _clean(text: str) -> str:
    # A lone surrogate (a file name that is no UTF-8) has no form in canonical JSON.
    return text if text.isascii() else text.encode("utf-8", errors="backslashreplace").decode()


def _number(event: Mapping[str, object], key: str) -> int | None:
    value = event.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 2**31:
        raise TypeError(key)
    return value
