import json
from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.verify.compare import compare
from pipeline.verify.normalization import Normalization, learn_masks, masked
from pipeline.verify.observe import Exit, Observation, behavior_digest
from pipeline.verify.reference import learn
from pipeline.verify.stored import from_json, to_json
from pipeline.verify.suite import Results
from pipeline.verify.suite import TestOutcome as Outcome
from pipeline.verify.suite import TestReport as Report
from pipeline.verify.suite import TestResult as Result
from runtime.canonical import to_canonical_json
from runtime.digest import Digest

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
