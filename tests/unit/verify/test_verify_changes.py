"""What changed is shown: lines of texts, runs that were cut off, shutdowns."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.verify.changes import changed_lines
from pipeline.verify.compare import Kind, compare
from pipeline.verify.normalization import Normalization, learn_masks
from pipeline.verify.notes import NoteKind, notes
from pipeline.verify.observe import SHUTDOWN, Exit, Observation
from pipeline.verify.patience import patient
from pipeline.verify.pytest_results import NOT_REACHED, WAS_RUNNING
from pipeline.verify.shutdowns import shutdown_lines, shutdown_notes
from pipeline.verify.suite import Results
from pipeline.verify.suite import TestOutcome as Outcome
from pipeline.verify.suite import TestReport as Report
from pipeline.verify.suite import TestResult as Result
from runtime.digest import Digest
from runtime.outcome import Ending, Limit
from runtime.plan import Plan, User

TEXTS = st.lists(st.sampled_from(["one", "two", "three", ""])).map("\n".join)


def observation(*results, ended=None, **more):
    tests = {each.id: each for each in results}
    report = Report(source=Results.PYTEST, tests=tests)
    return Observation(suite=Digest.of(b""), report=report, exit=ended or Exit(code=0), **more)


def passed(*names):
    return [Result(id=name, outcome=Outcome.PASSED) for name in names]


def missing(name, message):
    return Result(id=name, outcome=Outcome.MISSING, message=message)


def hung(*after):
    results = [*passed("a"), missing("b", WAS_RUNNING), *(missing(name, NOT_REACHED) for name in after)]
    return observation(*results, ended=Exit(limit=Limit.DEADLINE), duration=4100)


@pytest.mark.parametrize(
    ("reference", "here", "shown"),
    [
        ("a\nb\nc\n", "a\nx\nc\n", "- b\n+ x"),
        ("a\nb\n", "a\nb\nc\n", "+ c"),
        ("a\nb\n", "a\n", "- b"),
        ("a\nb\nc\nd\n", "w\nb\nc\nz\n", "- a\n+ w\n- d\n+ z"),
        ("a\nb\n", "y\nx\nz\n", "- a\n- b\n+ y\n+ x\n+ z"),
        ("a\n", "a", "+ no line feed at its end"),
        ("a", "a\n", "- no line feed at its end"),
        ("", "a\n", "+ a"),
    ],
)
def test_changed_lines_are_the_old_and_the_new_ones(reference, here, shown):
    assert changed_lines(reference, here) == shown


@given(TEXTS)
def test_equal_texts_have_no_changed_line(text):
    assert changed_lines(text, text) == ""


@given(TEXTS, TEXTS)
def test_texts_that_differ_have_a_changed_line(one, other):
    assert bool(changed_lines(one, other)) == (one != other)


def test_long_line_is_cut_around_what_differs_and_many_lines_are_counted():
    before, after = "x" * 5000 + "1" + "y" * 5000, "x" * 5000 + "2" + "y" * 5000
    one, other = changed_lines(before, after).split("\n")
    assert (len(one) < 200, "x1y" in one, "x2y" in other) == (True, True, True)
    many = changed_lines("".join(f"{each}\n" for each in range(20)), "".join(f"{each}!\n" for each in range(20)))
    assert many.split("\n")[-1] == "and 32 more lines that differ"


def test_huge_texts_show_the_first_line_that_differs():
    lines = [f"{each}" for each in range(50_000)]
    assert changed_lines("\n".join(lines), "\n".join([*lines[:49_999], "x"])) == "- 49999\n+ x"


def test_masked_lines_of_a_stream_are_no_change_and_what_varies_is_no_text():
    runs = [observation(streams={"stdout": b"took %d ms\nday: one\n" % each}) for each in (5, 7)]
    normalization = Normalization(masks={"stdout": learn_masks([each.streams["stdout"] for each in runs])})
    other = observation(streams={"stdout": b"took 99 ms\nday: two\n"})
    ((kind, message),) = [(each.kind, each.message) for each in compare(runs[0], other, normalization)]
    assert (kind, message) == (Kind.OUTPUT, "- day: one\n+ day: two")
    slower = observation(streams={"stdout": b"took 9 s\nday: one\n"})
    (found,) = compare(runs[0], slower, normalization)
    assert found.message == "- took … ms\n+ took 9 s"


def test_tests_that_a_hang_left_unreached_are_told_in_its_message_alone():
    found = {each.id: each for each in compare(observation(*passed("a", "b", "c", "d")), hung("c", "d"))}
    assert set(found) == {"exit", "b"}
    assert found["b"].is_cut
    assert (
        found["b"].message
        == "the run reached its deadline, after 4.1 s, while this test was running; 2 tests after it were not reached"
    )
    assert found["exit"].message.startswith("the run reached its deadline, after 4.1 s, while b was running;")


def test_tests_that_no_run_reached_for_the_same_end_stay_differences():
    other = hung("c")
    without = hung()
    assert compare(other, without) == ()
    assert [each.id for each in compare(replace(other, exit=Exit(limit=Limit.OOM)), other)] == ["exit"]


def test_test_that_one_side_does_not_have_is_not_collected_there():
    here, there = observation(*passed("a")), observation(*passed("a", "b"))
    assert [each.message for each in compare(there, here)] == ["this host collects no such test"]
    assert [each.message for each in compare(here, there)] == ["the reference collects no such test"]


def test_reruns_of_a_hang_have_an_earlier_deadline_and_others_have_not():
    plan = Plan(
        image=Digest.of(b""),
        suite=None,
        argv=("true",),
        workdir="/",
        environment={},
        user=User(uid=1, gid=1, home="/"),
        capabilities=(),
    )
    reference = observation(duration=2000)
    assert patient(plan, reference, hung()).deadline == 15_000
    assert patient(replace(plan, deadline=3000), reference, hung()).deadline == 3000
    assert patient(plan, reference, observation()) == plan
    assert patient(plan, hung(), hung()) == plan


def service(duration, **more):
    return Ending(name="db", is_service=True, duration=duration, **({"exit_code": 0} | more))


def left(name="python3", duration=10, **more):
    return Ending(name=name, duration=duration, **({"signal": 15} | more))


KILLED = {"exit_code": None, "signal": 9, "is_killed": True}
ELSE = "at the end of the suite; on the reference it ended with exit 0"


@pytest.mark.parametrize(
    ("here", "note"),
    [
        ([service(2100)], "service db took 2.1 s to end after SIGTERM, 0.1 s on the reference"),
        ([service(900)], None),
        ([service(100, exit_code=1)], f"service db ended with exit 1 {ELSE}"),
        ([service(5000, **KILLED)], f"service db was killed, as it did not heed SIGTERM, {ELSE}"),
        ([service(100), left("sleep")], "it leaves processes behind that the reference does not: sleep"),
        ([], None),
    ],
)
def test_shutdown_is_noted_where_it_is_slower_or_another_one(here, note):
    assert list(shutdown_notes([[service(100)], [service(60)]], here)) == ([note] if note else [])


def test_where_the_end_is_behavior_only_a_slower_one_is_noted():
    assert list(shutdown_notes([[service(100)]], [service(5000, **KILLED)], only_times=True)) == []
    assert len(list(shutdown_notes([[service(100)]], [service(5000)], only_times=True))) == 1


def test_shutdown_that_takes_long_everywhere_is_not_noted_for_being_a_little_longer():
    assert list(shutdown_notes([[service(3000)]], [service(4500)])) == []


def test_shutdown_is_noted_only_if_every_run_of_the_reference_was_watched():
    slow, quick = observation(shutdown=(service(3000),)), observation(shutdown=(service(100),))
    assert [each.kind for each in notes([quick, quick], slow)] == [NoteKind.SHUTDOWN]
    assert notes([quick, observation()], slow) == ()
    assert notes([quick], observation()) == ()


def test_shutdown_as_behavior_has_no_time_and_no_number_of_processes():
    one = shutdown_lines([service(10), left(duration=1), left(duration=2)])
    assert one == shutdown_lines([left(duration=900, signal=None, exit_code=1), service(3000)])
    assert one == ("process python3 is left behind and heeds SIGTERM", "service db ended with exit 0")
    assert shutdown_lines([left(is_killed=True)]) == ("process python3 is left behind and does not heed SIGTERM",)


def test_changed_shutdown_is_shown_by_its_lines():
    sides = [
        observation(artifacts={SHUTDOWN: Digest.of(text.encode())}, texts={SHUTDOWN: text}) for text in ("a\n", "b\n")
    ]
    (found,) = compare(*sides)
    assert (found.kind, found.id, found.message) == (Kind.ARTIFACT, SHUTDOWN, "- a\n+ b")
