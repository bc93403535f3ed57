"""What comes out of a machine is read as hostile."""

import io
import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.backends.qemu.messages import HEAD, Message, MessageError, frame, of_outcome, read_frame, to_outcome
from runtime.digest import Digest
from runtime.outcome import (
    Attempt,
    Calls,
    Denied,
    Ending,
    Evidence,
    Fidelity,
    Limit,
    Lookup,
    Network,
    Outcome,
    Resources,
    Stream,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
STREAMS = st.binary(max_size=50).map(lambda raw: Stream(content=raw, size=len(raw) + 7, digest=Digest.of(raw)))
EVIDENCE = st.builds(Evidence, found=TEXTS, holds=st.booleans(), fidelity=st.sampled_from(Fidelity))
DENIED = st.builds(Denied, call=TEXTS, errno=TEXTS, count=st.integers(1))
ENDINGS = st.builds(
    Ending,
    name=TEXTS,
    is_service=st.booleans(),
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    is_killed=st.booleans(),
    duration=st.integers(-1),
)
LOOKUPS = st.builds(Lookup, name=TEXTS, count=st.integers(1))
OUTCOMES = st.builds(
    Outcome,
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    limit=st.none() | st.sampled_from(Limit),
    stdout=STREAMS,
    stderr=STREAMS,
    results=st.none() | st.binary(max_size=50),
    artifacts=st.dictionaries(TEXTS, st.binary().map(Digest.of), max_size=3),
    texts=st.dictionaries(TEXTS, TEXTS, max_size=3),
    changed=st.lists(TEXTS, max_size=3).map(tuple),
    resources=st.builds(
        Resources,
        peak_memory=st.integers(-1),
        pressure=st.dictionaries(TEXTS, st.integers(0), max_size=3),
        has_own_pressure=st.booleans(),
        victims=st.lists(TEXTS, max_size=3).map(tuple),
    ),
    evidence=st.dictionaries(TEXTS, EVIDENCE),
    ambient=st.dictionaries(TEXTS, TEXTS, max_size=3),
    calls=st.none() | st.builds(Calls, denied=st.lists(DENIED, max_size=3).map(tuple), is_whole=st.booleans()),
    network=st.none() | st.builds(Network, lookups=st.lists(LOOKUPS, max_size=3).map(tuple), unroutable=st.integers(0)),
    shutdown=st.none() | st.lists(ENDINGS, max_size=3).map(tuple),
    sandbox=st.dictionaries(TEXTS, st.booleans() | st.integers() | st.lists(TEXTS, max_size=2), max_size=3),
    duration=st.integers(0),
)

NOTHING = Stream(content=b"", size=0, digest=Digest.of(b""))
BARE = Outcome(exit_code=None, stdout=NOTHING, stderr=NOTHING)
WHOLE = Outcome(
    exit_code=1,
    signal=9,
    limit=Limit.OOM,
    stdout=Stream(content=b"out", size=3, digest=Digest.of(b"out")),
    stderr=Stream(content=b"\0\xff", size=2, digest=Digest.of(b"\0\xff")),
    results=b"results",
    artifacts={"a": Digest.of(b"a")},
    texts={"a": "text"},
    changed=("/a",),
    resources=Resources(peak_memory=1, pressure={"io": 1}, victims=("sh",)),
    evidence={"user": Evidence(found="0", holds=True, fidelity=Fidelity.EMULATED)},
    ambient={"kernel": "6.1"},
    sandbox={"namespaces": ["pid"]},
    calls=Calls(denied=(Denied(call="mount", errno="EPERM", count=2),), attempts=(Attempt(address="::2", port=80),)),
    network=Network(lookups=(Lookup(name="a", count=2),), unroutable=3),
    shutdown=(Ending(name="db", is_service=True, exit_code=0, duration=7),),
    duration=5,
)


@given(OUTCOMES)
def test_outcome_is_what_it_was_on_the_other_side(outcome):
    assert to_outcome(read_frame(io.BytesIO(frame(of_outcome(3, outcome))).read)) == outcome


def test_every_field_of_an_outcome_is_brought():
    values = {each.name: getattr(WHOLE, each.name) for each in fields(Outcome)}
    empty = {name for name, value in values.items() if value == getattr(BARE, name)}
    assert empty == {"trace"}  # runs in a virtual machine are not traced
    assert to_outcome(of_outcome(3, WHOLE)) == WHOLE


@pytest.mark.parametrize("raw", [b"", b"\0" * 7, HEAD.pack(5, 0) + b"{}", HEAD.pack(2, 9) + b"{}short"])
def test_message_that_is_cut_is_the_end(raw):
    with pytest.raises(EOFError):
        read_frame(io.BytesIO(raw).read)


@pytest.mark.parametrize(
    "raw",
    [
        HEAD.pack(1 << 30, 0),
        HEAD.pack(2, 1 << 31),
        HEAD.pack(3, 0) + b"{}}",
        HEAD.pack(2, 0) + b"[]",
        HEAD.pack(20_000, 0) + b"[" * 20_000,
    ],
    ids=["long text", "long body", "no JSON", "no object", "nested"],
)
def test_message_that_is_none_is_refused(raw):
    with pytest.raises(MessageError):
        read_frame(io.BytesIO(raw).read)


SOUND = of_outcome(1, BARE).head["outcome"]


@pytest.mark.parametrize(
    "change",
    [
        {"exit_code": "0"},
        {"limit": "moon"},
        {"stdout": {"size": 0, "digest": "md5:1"}},
        {"stderr": None},
        {"resources": {"other": 1}},
        {"sandbox": {"size": 0.5}},
        {"sandbox": 1},
        {"calls": []},
        {"calls": {"denied": [1], "attempts": [], "is_whole": True}},
        {"network": {"lookups": [], "unroutable": "often"}},
        {"evidence": {"user": "yes"}},
        {"artifacts": ["a"]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_outcome_that_is_malformed_is_refused(change):
    head = {"what": "ended", "about": 1, "kept": [0, 0], "has_results": False, "outcome": {**SOUND, **change}}
    with pytest.raises(MessageError, match="cannot be read"):
        to_outcome(Message(json.loads(json.dumps(head))))


def test_processes_of_one_name_are_sorted_however_they_ended():
    ways = ({"signal": 15}, {"exit_code": 143}, {"exit_code": 0}, {"signal": 9, "is_killed": True})
    endings = [Ending(name="sleep", **each) for each in ways]
    found = sorted(endings, key=lambda each: each.rank)
    assert [each.exit_code for each in found] == [0, 143, None, None]
    assert [each.signal for each in found] == [None, None, 9, 15]
