"""Records of behavior at two times: what differs is told, and nothing where the digests are equal."""

from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from pipeline.verify.compare import Kind
from pipeline.verify.since import differences_since
from runtime.canonical import to_canonical_json

TESTS = st.dictionaries(
    st.sampled_from(["a", "b"]),
    st.none()
    | st.fixed_dictionaries(
        {"outcome": st.sampled_from(["passed", "skipped"]), "phase": st.sampled_from(["call", "setup"])},
        optional={"reason": st.sampled_from(["", "why"])},
    ),
)
ENDED = st.fixed_dictionaries({"code": st.sampled_from([0, 1, None]), "signal": st.none(), "limit": st.none()})
DIGESTS = st.dictionaries(st.sampled_from(["out", "err"]), st.sampled_from(["sha256:1", "sha256:2", None]))
RECORDS = st.fixed_dictionaries({"tests": TESTS, "exit": ENDED, "artifacts": DIGESTS, "output": DIGESTS})


def record(**changes):
    plain = {"tests": {}, "exit": {"code": 0, "signal": None, "limit": None}, "artifacts": {}, "output": {}}
    return MappingProxyType(plain | changes)


def entry(outcome="passed", **more):
    return {"outcome": outcome, "phase": "call", **more}




@given(RECORDS, RECORDS)
def test_differences_are_none_where_records_are_equal_and_exchange_their_sides(one, two):
    forth = differences_since(one, two)
    assert (forth == ()) == (to_canonical_json(one) == to_canonical_json(two))
    assert [(each.kind, each.id, each.here, each.reference) for each in forth] == [
        (each.kind, each.id, each.reference, each.here) for each in differences_since(two, one)
    ]


def told(one, two):
    return [(each.kind, each.id, each.reference, each.here) for each in differences_since(one, two)]


def test_outcomes_are_told_in_a_word_and_equal_ones_with_the_rest():
    failing = entry("failed", exception="OSError", errno=2)
    assert told(record(tests={"a": entry()}), record(tests={"a": failing})) == [(Kind.TEST, "a", "passed", "failed")]
    other = entry("failed", exception="OSError", errno=13)
    assert told(record(tests={"a": failing}), record(tests={"a": other})) == [
        (
            Kind.TEST,
            "a",
            'failed {"errno":2,"exception":"OSError","phase":"call"}',
            'failed {"errno":13,"exception":"OSError","phase":"call"}',
        )
    ]
    assert told(record(tests={"a": entry()}), record()) == [(Kind.TEST, "a", "passed", "missing")]


def test_exit_is_told_alone_and_not_beside_tests():
    cut = {"code": None, "signal": 9, "limit": None}
    assert told(record(), record(exit=cut)) == [(Kind.EXIT, "exit", "exit 0", "signal 9")]
    both = record(exit={"code": 1, "signal": None, "limit": None}, tests={"a": entry("failed")})
    assert told(record(tests={"a": entry()}), both) == [(Kind.TEST, "a", "passed", "failed")]


def test_artifacts_and_streams_are_told_by_digest():
    assert told(record(artifacts={"x": "sha256:1"}), record(output={"stdout": "sha256:2"})) == [
        (Kind.ARTIFACT, "x", "sha256:1", "missing"),
        (Kind.OUTPUT, "stdout", "missing", "sha256:2"),
    ]
