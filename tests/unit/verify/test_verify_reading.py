import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.verify.delta import bisect, ddmin
from pipeline.verify.junit_results import read_junit
from pipeline.verify.pytest_results import read_pytest
from pipeline.verify.reproduce import command_for
from pipeline.verify.statistics import Decision, Tally, decide, interval, p_text
from pipeline.verify.suite import TestOutcome as Outcome
from pipeline.verify.suite import is_same_id


def lines(*events):
    return b"".join(json.dumps(each).encode() + b"\n" for each in events)


START = {"event": "start", "format": 1, "pid": 1}
END = {"event": "finish", "exit": 0, "pid": 1}


def phase(number, name, outcome, **more):
    return {"event": "test", "n": number, "phase": name, "outcome": outcome, **more}


def test_read_pytest_cut_in_a_line_keeps_the_rest():
    raw = lines(
        START, {"event": "collected", "ids": ["a", "b"]}, phase(0, "setup", "passed"), phase(0, "call", "passed")
    )
    report = read_pytest(raw + b'{"event":"te')
    assert {name: each.outcome for name, each in report.tests.items()} == {"a": Outcome.PASSED, "b": Outcome.MISSING}
    assert not report.complete
    assert report.fault == ""


def test_read_pytest_retried_test_counts_its_last_try():
    raw = lines(
        START,
        {"event": "collected", "ids": ["a"]},
        phase(0, "setup", "passed"),
        phase(0, "call", "rerun"),
        phase(0, "setup", "passed"),
        phase(0, "call", "passed"),
        END,
    )
    report = read_pytest(raw)
    assert list(report.tests) == ["a"]
    assert report.tests["a"].outcome is Outcome.PASSED


def test_read_pytest_failure_in_teardown_is_errored():
    raw = lines(
        START, {"event": "collected", "ids": ["a"]}, phase(0, "call", "passed"), phase(0, "teardown", "failed"), END
    )
    assert read_pytest(raw).tests["a"].outcome is Outcome.ERRORED


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b"[]\n",
        b'{"event":"test","n":7,"phase":"call","outcome":"passed"}\n',
        b'{"event":"test","n":-1,"phase":"call","outcome":"passed"}\n',
        b'{"event":"test","n":0,"phase":"call","outcome":"wonderful"}\n',
        b'{"event":"test","n":0,"phase":[],"outcome":"passed"}\n',
        b'{"event":"collected","ids":[1]}\n',
        b'{"event":"test","id":"x","phase":"call","outcome":"failed","errno":1e400}\n',
    ],
)
def test_read_pytest_hostile_line_is_a_fault(line):
    raw = lines(START, {"event": "collected", "ids": ["a"]}, phase(0, "call", "passed")) + line + lines(END)
    report = read_pytest(raw)
    assert report.fault
    assert report.tests["a"].outcome is Outcome.PASSED


@given(st.binary())
def test_read_pytest_never_raises(raw):
    read_pytest(raw)


@given(st.binary())
def test_read_junit_never_raises(raw):
    read_junit(raw)


JUNIT = b"""<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" tests="5">
<testcase classname="tests.test_a.T" name="test_b[x/y.py::z]" time="0.1"/>
<testcase classname="tests.test_a" name="test_c"><failure message="OSError: [Errno 2] no">trace</failure></testcase>
<testcase classname="tests.test_a" name="test_d"><skipped type="pytest.skip" message="not here"/></testcase>
<testcase classname="tests.test_a" name="test_e"><skipped type="pytest.xfail" message="known"/></testcase>
<testcase classname="" name="tests.test_f"><error message="collection failure">trace</error></testcase>
<testsuite name="inner"><testcase classname="x" name="y" file="x.py"/></testsuite>
</testsuite></testsuites>"""


def test_read_junit_reads_every_outcome():
    report = read_junit(JUNIT)
    assert {name: str(each.outcome) for name, each in report.tests.items()} == {
        "tests.test_a.T::test_b[x/y.py::z]": "passed",
        "tests.test_a::test_c": "failed",
        "tests.test_a::test_d": "skipped",
        "tests.test_a::test_e": "skipped",
        "tests.test_f": "errored",
        "x.py::y": "passed",
    }
    assert report.tests["tests.test_a::test_c"].exception == "OSError"
    assert report.tests["tests.test_a::test_e"].reason == "xfail: known"


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b'<!DOCTYPE a [<!ENTITY b "c">]><testsuites/>', "document type"),
        (b"<!doctype x><testsuites/>", "document type"),
        (JUNIT.decode().replace("utf-8", "utf-16").encode("utf-16"), "not UTF-8"),
        (b"<html/>", "cannot be read"),
        (b"<testsuites>", "cannot be read"),
        (None, "left no JUnit file"),
    ],
)
def test_read_junit_refuses(raw, fault):
    report = read_junit(raw)
    assert fault in report.fault
    assert not report.complete


@pytest.mark.parametrize(
    ("junit", "node"),
    [
        ("tests.test_a.T::test_b[x]", "tests/test_a.py::T::test_b[x]"),
        ("tests.test_a::test_b", "tests/test_a.py::test_b"),
        ("tests.test_a::test_b[a/b.py::c]", "tests/test_a.py::test_b[a/b.py::c]"),
        ("tests.test_a", "tests/test_a.py"),
    ],
)
def test_same_id_in_both_forms_is_recognized(junit, node):
    assert is_same_id(junit, node)


@pytest.mark.parametrize(
    ("tally", "p_value"),
    [((4, 4, 0, 4), "0.029"), ((5, 5, 0, 5), "0.0079"), ((8, 8, 0, 8), "0.00016"), ((3, 20, 2, 20), "1")],
)
def test_fisher_equals_known_values(tally, p_value):
    a, b, c, d = tally
    assert p_text(Tally(with_failed=a, with_of=b, without_failed=c, without_of=d).p_value) == p_value


def test_interval_equals_known_values():
    assert interval(0, 8) == ("0", "0.37")
    assert interval(8, 8) == ("0.63", "1")
    assert interval(5, 40) == ("0.041", "0.269")


@pytest.mark.parametrize(
    ("tally", "decision"),
    [
        ((7, 7, 0, 7), Decision.CONTINUE),
        ((8, 8, 0, 8), Decision.CAUSED),
        ((0, 8, 0, 8), Decision.FLAKY),
        ((2, 8, 3, 8), Decision.FLAKY),
        ((8, 8, 1, 8), Decision.CONTINUE),
        ((19, 20, 1, 20), Decision.CAUSED),
        ((3, 20, 2, 20), Decision.FLAKY),
        ((8, 20, 1, 20), Decision.CONTINUE),
        ((12, 40, 3, 40), Decision.UNDECIDED),
    ],
)
def test_decide_by_counts(tally, decision):
    a, b, c, d = tally
    assert decide(Tally(with_failed=a, with_of=b, without_failed=c, without_of=d)) is decision


@given(st.integers(0, 8), st.integers(0, 8))
def test_fisher_is_a_probability_and_symmetric(a, c):
    one = Tally(with_failed=a, with_of=8, without_failed=c, without_of=8).p_value
    two = Tally(with_failed=c, with_of=8, without_failed=a, without_of=8).p_value
    assert 0 < one <= 1
    assert one == two
    assert isinstance(one, Fraction)


FACTORS = [f"f{number}" for number in range(9)]


@pytest.mark.parametrize("search", [ddmin, bisect])
@given(cause=st.sets(st.sampled_from(FACTORS), min_size=1))
def test_search_finds_the_set(search, cause):
    assert set(search(FACTORS, lambda levels: cause <= levels)) == cause


@given(st.lists(st.sets(st.sampled_from(FACTORS), min_size=1), min_size=1, max_size=3))
def test_bisect_finds_one_of_the_sets_in_few_questions(causes):
    asked = []

    def appears(levels):
        asked.append(levels)
        return any(cause <= levels for cause in causes)

    found = set(bisect(FACTORS, appears))
    assert any(cause <= found for cause in causes)
    assert len(asked) <= (len(found) + 1) * 5


def test_ddmin_of_a_behavior_that_more_levels_hide_finds_a_set_that_shows_it():
    def appears(levels):
        return levels == set(FACTORS) or {"f1", "f2"} <= levels <= {"f1", "f2", "f3"}

    assert appears(ddmin(FACTORS, appears))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python3 -m pytest -q", "python3 -m pytest t.py::a"),
        ("pytest -p no:cacheprovider tests", "pytest -p no:cacheprovider t.py::a"),
        ("pytest -pno:x -W error --tb=short -k foo tests", "pytest -pno:x -W error --tb=short t.py::a"),
        ("python3 -m unittest", "python3 -m unittest"),
    ],
)
def test_command_for_a_test_keeps_what_matters(command, expected):
    assert " ".join(command_for(command.split(), "t.py::a#2")) == expected
