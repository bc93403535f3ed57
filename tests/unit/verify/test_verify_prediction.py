"""Prediction: what a trace and a failure say of the factors, which orders what is tried and decides nothing."""

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.verify.prediction import MOST_WEIGHT, NOTHING, Predictions, of_failures, predict, telling
from pipeline.verify.suite import TestOutcome as Outcome
from pipeline.verify.suite import TestResult as Result
from pipeline.verify.touched import with_touched
from runtime.backends.native.tracing import calls
from runtime.factors import FACTORS
from runtime.factors.signs import Index, words_of
from runtime.outcome import Limit
from runtime.trace import MOST_TEXT, Trace

NAMES = {each.name for each in FACTORS}
VERBS = (
    {verb for verb, _ in (*calls.PATHS.values(), *calls.ADDRESSES.values(), *calls.VALUES.values())}
    | {"opens", "lists", "writes", "makes", "starts", "socket", "asks", "reads", "changes", "calls"}
    | {"names", "enters", "reaches", "variable", "builds", "stores"}
    | {"needs", "uses", "raises", "errno", "ends"}
)


@dataclass(frozen=True)
class Spoken:
    name: str
    names: str = ""
    signs: str = ""


def traced(**tests):
    return Trace(tests={Trace.key(name) if name else "": dict.fromkeys(signs, 1) for name, signs in tests.items()})


@pytest.mark.parametrize("factor", FACTORS, ids=lambda each: each.name)
def test_every_factor_says_what_speaks_for_it(factor):
    signs = [each.strip() for each in factor.signs.split(";") if each.strip()]
    assert factor.names or signs
    assert len(set(factor.names.split())) == len(factor.names.split())
    assert len(set(signs)) == len(signs)
    assert {each.partition(" ")[0] for each in signs} <= VERBS
    assert all("*" not in each[:-1] and len(each) <= MOST_TEXT for each in signs)


def test_sign_speaks_by_a_word_by_its_whole_or_by_its_beginning():
    index = Index([Spoken("a", names="umask chmod"), Spoken("b", signs="makes *; limit 7"), Spoken("c", "umask")])
    assert index.factors_of("calls umask") == {"a": "umask", "c": "umask"}
    assert index.factors_of("enters posix.chmod") == {"a": "chmod"}
    assert index.factors_of("makes /tmp") == {"b": "makes /tmp"}
    assert index.factors_of("limit 7") == {"b": "limit 7"}
    assert index.factors_of("limit 77") == index.factors_of("opens umask") == {}


def test_words_of_a_function_are_its_module_its_class_and_itself():
    assert words_of("reaches subprocess.Popen.wait") == ("subprocess", "Popen", "wait")
    assert words_of("names st_mode") == ("st_mode",)
    assert words_of("opens /etc/hosts") == ()


def test_sign_that_speaks_for_many_factors_tells_less_of_each():
    found = predict({"calls x": 1.0, "calls y": 1.0}, [Spoken("a", "x"), Spoken("b", "x y"), Spoken("c")])
    assert found.ranked == ("b", "a")
    assert (found.strength["a"], found.strength["b"]) == (0.5, 1.5)
    assert found.signs["b"] == ("calls y", "calls x")


def test_what_a_test_comes_by_in_many_ways_counts_once():
    signs = {"names x": 1.0, "enters m.x": 1.0, "reaches m.x": 0.3}
    assert predict(signs, [Spoken("a", "x")]).strength["a"] == 1.0


def test_what_other_tests_show_too_tells_little():
    few = telling(traced(one=["calls a", "calls b"], two=["calls a"]), ["one"])
    many = telling(traced(one=["calls a", "calls b"], **{f"other{n}": ["calls a"] for n in range(40)}), ["one"])
    assert few["calls b"] == many["calls b"] == 1
    assert few["calls a"] > many["calls a"] > 0


def test_signs_of_no_test_count_where_the_run_knew_of_none():
    trace = Trace(tests={"": {"calls a": 1}})
    assert telling(trace, ["suite"]) == telling(trace, []) == {"calls a": 1}


def test_all_tests_count_where_none_is_named():
    assert telling(traced(one=["calls a"], two=["calls b"]), []).keys() == {"calls a", "calls b"}


def test_start_of_a_program_tells_little_in_a_test_that_starts_one():
    found = telling(traced(one=["calls getrandom", "runs /bin/sh"], two=["calls getrandom"]), ["one"])
    assert found["calls getrandom"] < 0.2
    assert telling(traced(one=["calls getrandom"]), ["one"])["calls getrandom"] == 1


def test_much_of_anything_is_a_sign_of_its_own():
    trace = Trace(tests={Trace.key("one"): {"opens /tmp": 39, "opens .": 1, "starts thread": 12}})
    assert {"opens many", "starts many", "uses much memory"} <= telling(trace, ["one"], memory=1 << 30).keys()
    trace = Trace(tests={Trace.key("one"): {"opens /usr/lib": 400, "starts thread": 11}})
    assert not {"opens many", "starts many", "uses much memory"} & telling(trace, ["one"], memory=-1).keys()


def test_failure_is_told_by_exception_errno_and_end():
    failed = Result(id="one", outcome=Outcome.FAILED, phase="call", exception="OSError", errno=30)
    assert of_failures([failed]).keys() == {"raises OSError", "errno EROFS"}
    assert of_failures([], signal=9, limit=Limit.OOM).keys() == {"ends signal 9", "ends oom"}
    assert predict(of_failures([failed])).ranked[0] == "root-filesystem"


SIGNS = st.one_of(
    st.sampled_from([sign.strip() for each in FACTORS for sign in each.signs.split(";")]),
    st.sampled_from([f"calls {word}" for each in FACTORS for word in each.names.split()]),
    st.text(max_size=20),
)


@given(st.dictionaries(SIGNS, st.floats(0, 2), max_size=30))
def test_no_factor_is_excluded_and_none_is_certain(signs):
    found = predict(signs)
    assert set(found.ranked) <= NAMES
    for each in FACTORS:
        assert 1 <= found.weight(each.name) <= MOST_WEIGHT


def test_prediction_is_made_once_a_behavior_and_told_of_the_hosts_factors_only():
    asked = []

    def make(key):
        asked.append(key)
        return predict({"calls umask": 1.0, "errno EROFS": 1.0})

    predictions = Predictions(make)
    assert predictions.told("x", NAMES) == {}
    assert predictions.weights("x") == predictions.weights("x")
    assert asked == ["x"]
    assert list(predictions.told("x", {"umask", "home"})) == ["umask"]
    assert NOTHING.weight("umask") == 1


def line(**event):
    return json.dumps(event, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def test_what_the_plug_in_says_is_added_to_the_trace():
    raw = line(event="start", format=1) + line(event="touched", id="one", signs={"names umask": 2, "names \udcff": 1})
    found = with_touched(traced(one=["calls umask"]), raw)
    assert found.tests[Trace.key("one")] == {"calls umask": 1, "names umask": 2, "names \\udcff": 1}
    assert with_touched(None, raw).tests[Trace.key("one")] == {"names umask": 2, "names \\udcff": 1}
    assert with_touched(None, line(event="start")) is None


@pytest.mark.parametrize(
    "raw",
    [
        b'{"event":"touched","id":"one","signs":[1,2]}\n',
        b'{"event":"touched","signs":{"a":1}}\n',
        b'{"event":"touched","id":"one","signs":{"a":"x"}}\n',
        b'{"event":"touched","id":"one","signs":{"a":1e999}}\n',
        b'"event":"touched"\n',
        b'{"event":"touched","id":' + b"[" * 100_000 + b"\n",
        b'{"event":"touched","id":"one","signs":{"a":1}}',
    ],
    ids=["a list", "no id", "a text", "infinity", "no object", "too deep", "cut"],
)
def test_forged_line_of_the_plug_in_adds_nothing(raw):
    assert with_touched(traced(one=["calls a"]), raw).tests == traced(one=["calls a"]).tests


def test_plug_in_is_believed_so_many_signs_and_no_more():
    raw = line(event="touched", id="one", signs={f"names {number}": 1 for number in range(3000)})
    assert len(with_touched(None, raw).tests[Trace.key("one")]) == 1000
