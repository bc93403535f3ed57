"""TAP as Node's runner, tape and Perl write it, and as nobody should."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.verify.suite import TestOutcome as Outcome
from pipeline.verify.tap_results import read_tap

NODE = Path(__file__).with_name("node-20.tap")


def outcomes(text):
    return {name: each.outcome for name, each in read_tap(text.encode()).tests.items()}


def test_read_tap_of_node_names_nested_tests_and_leaves_out_what_only_sums_up():
    report = read_tap(NODE.read_bytes())
    assert {name: each.outcome for name, each in report.tests.items()} == {
        "sum::adds": Outcome.PASSED,
        "sum::is # wrong": Outcome.FAILED,
        "reads": Outcome.FAILED,
        "skipped": Outcome.SKIPPED,
        "todo": Outcome.SKIPPED,
        "outer::inner": Outcome.PASSED,
        "outer": Outcome.FAILED,
    }
    assert (report.complete, report.fault) == (True, "")


def test_read_tap_of_node_tells_exceptions_and_reasons():
    tests = read_tap(NODE.read_bytes()).tests
    wrong, reads = tests["sum::is # wrong"], tests["reads"]
    assert (wrong.exception, wrong.message) == ("AssertionError", "1 == 2")
    assert (reads.exception, reads.errno) == ("ENOENT", 2)
    assert (tests["skipped"].reason, tests["todo"].reason) == ("no net", "xfail: later")
    assert tests["outer"].exception == "RangeError"


def test_read_tap_of_tape_takes_the_last_comment():
    text = "TAP version 13\n# first\nok 1 same\n# second\nnot ok 2 same\nok 3 other\n\n1..3\n# tests 3\n"
    assert outcomes(text) == {
        "first::same": Outcome.PASSED,
        "second::same": Outcome.FAILED,
        "second::other": Outcome.PASSED,
    }


def test_read_tap_without_comments_or_numbers_counts_repeated_names():
    assert outcomes("1..3\nok - a\r\nok - a\nok\n") == dict.fromkeys(("a", "a#2", "(no name)"), Outcome.PASSED)


@pytest.mark.parametrize(
    ("line", "outcome", "reason"),
    [
        ("ok 1 - a # SKIP no disk", Outcome.SKIPPED, "no disk"),
        ("ok 1 # skip", Outcome.SKIPPED, ""),
        ("not ok 1 - a # TODO later", Outcome.SKIPPED, "xfail: later"),
        ("ok 1 - a # TODO later", Outcome.PASSED, ""),
        ("ok 1 - a \\# SKIP no directive", Outcome.PASSED, ""),
        ("not ok 1 - a #1 skips", Outcome.FAILED, ""),
    ],
)
def test_read_tap_directive_decides(line, outcome, reason):
    [result] = read_tap(f"1..1\n{line}\n".encode()).tests.values()
    assert (result.outcome, result.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no TAP"),
        ("ok 1 - a\n", "no plan"),
        ("1..2\nok 1 - a\n", "plans 2 tests and has 1"),
        ("1..1\nok 1 - a\nok 2 - b\n", "plans 1 tests and has 2"),
        ("1..1\nok 1 - a\nBail out! no database\n", "the suite bailed out: no database"),
        ("1..2\nok 1 - a\n  ---\n  name: x\nok 2 - b\n", "plans 2 tests and has 1"),
    ],
)
def test_read_tap_that_is_not_whole_says_why(text, fault):
    report = read_tap(text.encode())
    assert fault in report.fault
    assert not report.complete


def test_read_tap_cut_by_the_cap_is_not_whole():
    assert "not read" in read_tap(b"1..1\nok 1 - a\n", is_cut=True).fault


def test_read_tap_skipped_as_a_whole_is_one_skipped_test():
    report = read_tap(b"1..0 # SKIP no compiler\n")
    assert [(each.id, each.outcome, each.reason) for each in report.tests.values()] == [
        ("suite", Outcome.SKIPPED, "no compiler")
    ]
    assert report.complete


def test_read_tap_block_that_follows_no_test_is_talk():
    assert outcomes("---\n1..1\nok 1 - a\n") == {"a": Outcome.PASSED}


def test_read_tap_keys_inside_values_are_not_the_failure():
    text = (
        "1..1\nnot ok 1 - a\n  ---\n  expected:\n    name: 'Other'\n  name: 'TypeError'\n  error: |-\n    two\n  ...\n"
    )
    [result] = read_tap(text.encode()).tests.values()
    assert (result.exception, result.message) == ("TypeError", "two")


@given(st.binary(max_size=300) | st.text("ok not1.#-:\n ", max_size=300).map(str.encode))
def test_read_tap_never_raises(raw):
    report = read_tap(raw)
    assert report.complete == (not report.fault)
