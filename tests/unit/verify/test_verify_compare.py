import json
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.verify.compare import compare
from pipeline.verify.normalization import Normalization, learn_masks, masked
from pipeline.verify.notes import NoteKind, notes
from pipeline.verify.observe import Exit, Observation, behavior_digest
from pipeline.verify.reference import learn
from pipeline.verify.stored import from_json, to_json
from pipeline.verify.suite import Results
from pipeline.verify.suite import TestOutcome as Outcome
from pipeline.verify.suite import TestReport as Report
from pipeline.verify.suite import TestResult as Result
from runtime.canonical import to_canonical_json
from runtime.digest import Digest
from runtime.outcome import Calls, Denied, Lookup, Network

NAMES = st.sampled_from(["a", "b", "c", "d"])
RESULTS = st.builds(
    Result,
    id=st.just("x"),
    outcome=st.sampled_from(list(Outcome)),
    phase=st.sampled_from(["setup", "call"]),
    reason=st.sampled_from(["", "why"]),
    exception=st.sampled_from(["", "OSError"]),
    errno=st.sampled_from([None, 2]),
    message=st.text(st.characters(codec="utf-8")),
)
EXITS = st.one_of(st.builds(Exit, code=st.integers(0, 5)), st.builds(Exit, signal=st.sampled_from([9, 11])))


@st.composite
def observations(draw):
    results = draw(st.dictionaries(NAMES, RESULTS))
    return Observation(
        suite=Digest.of(b""),
        report=Report(
            source=Results.PYTEST,
            tests={name: replace(each, id=name) for name, each in results.items()},
        ),
        exit=draw(EXITS),
        artifacts=draw(st.dictionaries(NAMES, st.sampled_from([Digest.of(b"1"), Digest.of(b"2")]))),
        streams=draw(st.fixed_dictionaries({"stdout": st.binary(max_size=20)})),
    )


@given(observations(), observations())
def test_compare_exchanged_names_the_same_with_the_sides_exchanged(one, two):
    forth = [(each.kind, each.id, each.reference, each.here) for each in compare(one, two)]
    back = [(each.kind, each.id, each.here, each.reference) for each in compare(two, one)]
    assert forth == back


@given(observations())
def test_compare_with_itself_is_empty(one):
    assert compare(one, one) == ()


@given(observations(), observations())
def test_digest_is_equal_exactly_if_nothing_differs(one, two):
    plain = Normalization()
    has_same_digest = behavior_digest(one, plain) == behavior_digest(two, plain)
    assert has_same_digest == (compare(one, two) == () and one.exit == two.exit)


@given(st.lists(observations(), min_size=2, max_size=4))
def test_normalization_makes_the_reference_equal_to_itself(runs):
    normalization = learn(runs)
    for other in runs[1:]:
        for each in compare(runs[0], other, normalization):
            assert each.id in normalization.unstable or each.kind == "exit"


@given(observations())
def test_observation_survives_storage(one):
    text = to_canonical_json(to_json(one))
    assert from_json(json.loads(text)) == one


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4))
@example([b"\x02\x81", b"\x02", b"\x81"])  # the first line has a mask with each of the others
def test_masks_make_the_streams_that_taught_them_equal(streams):
    masks = learn_masks(streams)
    assert len({masked(each, masks) for each in streams}) == 1


def test_masks_keep_what_does_not_vary():
    masks = learn_masks([b"took 12 ms\nport 1\n", b"took 7 ms\nport 1\n"])
    assert masked(b"took 99 ms\nport 1\n", masks) == masked(b"took 12 ms\nport 1\n", masks)
    assert masked(b"took 99 ms\nport 2\n", masks) != masked(b"took 12 ms\nport 1\n", masks)
    assert masked(b"took 99 s\nport 1\n", masks) != masked(b"took 12 ms\nport 1\n", masks)


@pytest.mark.parametrize(
    ("one", "two", "later"),
    [
        ("at 1764241200.123456", "at 1764241200.130001", "at 1764241201.000001"),
        ("2026-11-27 11:03:12,5 started", "2026-11-27 11:03:12,7 started", "2026-11-27 11:04:00,7 started"),
        ("11:03:12 s", "11:03:13 s", "12:00:00 s"),
        ("11:03:12", "11:04:12", "11:05:59"),
        ("10.0.0.2:4711 is up", "10.0.0.3:4711 is up", "10.1.0.9:4712 is up"),
    ],
)
def test_masks_take_a_number_whole_of_which_a_part_varies(one, two, later):
    masks = learn_masks([one.encode(), two.encode()])
    assert masked(later.encode(), masks) == masked(one.encode(), masks)


def report(**outcomes):
    return Report(source=Results.PYTEST, tests={name: Result(id=name, outcome=each) for name, each in outcomes.items()})


def observation(code, **outcomes):
    return Observation(suite=Digest.of(b""), report=report(**outcomes), exit=Exit(code=code))


def test_compare_exit_that_a_test_explains_is_no_difference():
    (only,) = compare(observation(0, a=Outcome.PASSED), observation(1, a=Outcome.FAILED))
    assert only.id == "a"


def test_compare_exit_that_no_test_explains_is_one():
    assert [each.kind for each in compare(observation(0, a=Outcome.PASSED), observation(3))] == ["exit", "test"]
    (only,) = compare(observation(0, a=Outcome.PASSED), observation(1, a=Outcome.PASSED))
    assert (only.reference, only.here) == ("exit 0", "exit 1")


def test_compare_other_skip_reason_shows_the_reasons():
    one, two = (
        Observation(
            suite=Digest.of(b""),
            report=Report(source=Results.PYTEST, tests={"a": Result(id="a", outcome=Outcome.SKIPPED, reason=reason)}),
            exit=Exit(code=0),
        )
        for reason in ("one", "two")
    )
    (only,) = compare(one, two)
    assert (only.reference, only.here) == ("skipped: one", "skipped: two")


def traced(denied=(), lookups=(), unroutable=0, *, is_whole=True):
    return Observation(
        suite=Digest.of(b""),
        report=Report(source=Results.EXIT, tests={}),
        exit=Exit(code=0),
        calls=Calls(
            denied=tuple(Denied(call=name, errno="EPERM", count=count) for name, count in denied), is_whole=is_whole
        ),
        network=Network(lookups=tuple(Lookup(name=each, count=2) for each in lookups), unroutable=unroutable),
    )


def told(references, other):
    return [(each.kind, each.text) for each in notes(references, other)]


def test_traces_that_the_reference_shows_as_well_are_no_notes():
    one = traced([("mount", 2)], ["a.example"], 3)
    assert told([one], one) == told([traced(), one], one) == []
    assert told([one], traced()) == []


def test_denied_calls_of_one_host_only_are_a_note():
    here = traced([("bpf", 1), ("mount", 1), ("unshare", 3)])
    want = (
        "system calls are denied that the reference does not make, or may: bpf (EPERM, once), unshare (EPERM, 3 times)"
    )
    assert told([traced([("mount", 9)])], here) == [(NoteKind.SYSCALL, want)]
    flooding = traced([("bpf", 4096)], is_whole=False)
    assert told([traced()], flooding)[0][1].endswith("bpf (EPERM, at least 4096 times)")


def test_files_of_one_host_only_are_a_note_but_for_caches():
    caches = {"/app/.pytest_cache/README.md", "/app/__pycache__/a.cpython-311.pyc", "/app/b.pyc"}
    assert told([traced()], replace(traced(), changed=tuple(sorted(caches)))) == []
    here = replace(traced(), changed=(*sorted(caches), "/app/out.txt"))
    assert told([traced()], here) == [(NoteKind.FILE, "it writes files that the reference does not: /app/out.txt")]


def test_attempts_of_one_host_only_are_notes():
    here = traced(lookups=["a.example", "b", "c", "d", "e"], unroutable=1)
    assert told([traced(lookups=["a.example"])], here) == [
        (
            NoteKind.NETWORK,
            "it asks for the addresses of names that the reference does not ask for: b, c, d and 1 more",
        ),
        (NoteKind.NETWORK, "it has no route to a destination, once; the reference asks for none without"),
    ]


def test_traces_are_compared_only_where_every_side_was_looked_at():
    here, unseen = traced([("mount", 1)], ["a"], 1), replace(traced(), calls=None, network=None)
    assert told([traced(), unseen], here) == told([traced()], unseen) == []


def test_traces_of_calls_and_network_are_no_behavior():
    plain = Normalization()
    assert compare(traced(), traced([("mount", 1)], ["a"], 1)) == ()
    assert behavior_digest(traced(), plain) == behavior_digest(traced([("mount", 1)], ["a"], 1), plain)


def test_traced_observation_survives_storage():
    one = traced([("mount", 1)], ["a"], 1)
    assert from_json(json.loads(to_canonical_json(to_json(one)))) == one
