"""How long a registry is left alone, and what is told of what it says."""

import json
import threading
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.declare.errors import FetchError
from pipeline.registry.answers import TransientError, problems_of, seconds_of
from pipeline.registry.retry import LONGEST_WAIT, Patience

JSON = {"Content-Type": "application/json; charset=utf-8"}
NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("", None),
        ("-1", None),
        ("soon", None),
        ("1e9", None),
        ("9" * 400, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(header, seconds):
    assert seconds_of(header, NOW) == seconds


@given(st.text())
def test_retry_after_of_any_text_is_no_error(header):
    found = seconds_of(header, NOW)
    assert found is None or found >= 0


def waits(error, chance=1.0):
    waited = []
    patience = Patience(pause=waited.append, chance=lambda: chance)
    for tried in range(1, 100):
        try:
            patience.wait(tried, error)
        except FetchError as last:
            return waited, last
    raise AssertionError("it is tried for ever")


def test_pauses_grow_and_end_with_the_error_itself():
    error = TransientError("busy")
    assert waits(error) == ([0.5, 1.0, 2.0], error)
    assert waits(error, chance=0.0)[0] == [0.25, 0.5, 1.0]


def test_server_is_left_alone_for_as_long_as_it_wants():
    assert waits(TransientError("busy", after=30.0))[0] == [30.0, 30.0, 30.0]
    assert waits(TransientError("busy", after=0.0))[0] == [0.5, 1.0, 2.0]


def test_waiting_ends_when_it_is_not_wanted_any_more():
    stopped, error, waited = threading.Event(), TransientError("busy", after=100.0), []

    def pause(seconds):
        waited.append(seconds)
        if len(waited) == 3:
            stopped.set()

    with pytest.raises(TransientError):
        Patience(pause=pause, stopped=stopped).wait(1, error)
    assert waited == [0.5, 0.5, 0.5]


def test_server_that_wants_to_be_left_alone_for_too_long_is_not_waited_for():
    waited, last = waits(TransientError("busy", after=LONGEST_WAIT + 1))
    assert waited == []
    assert "busy; it wants to be left alone for 121 s" in last.message


def said(*errors):
    return problems_of(JSON, json.dumps({"errors": list(errors)}).encode())


def test_codes_and_messages_of_a_registry_are_told():
    both = said({"code": "DENIED", "message": "not for you", "detail": {"x": 1}}, {"code": "TOOMANYREQUESTS"})
    assert both == ("DENIED: not for you", "TOOMANYREQUESTS")


@pytest.mark.parametrize(
    "errors",
    [[], ["x"], [None], [{"code": 1}], [{"code": "lower"}], [{"code": "A" * 65}], [{"code": "\x1b[31mRED"}], [{}]],
)
def test_what_is_no_code_of_the_specification_is_not_told(errors):
    assert said(*errors) == ()


def test_messages_are_told_on_one_line_and_not_to_their_end():
    (told,) = said({"code": "X", "message": "\x1b[2J\nforged: line" + "y" * 1000})
    assert told.startswith("X: ?[2J?forged: line")
    assert len("".join(said(*[{"code": "X", "message": "y" * 10_000}] * 50))) < 700


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"errors": 1}', b"[" * 10_000, b"\xff", b"null"])
def test_answers_of_another_form_are_no_problem(raw):
    assert problems_of(JSON, raw) == ()
    assert problems_of({"Content-Type": "text/html"}, b'{"errors": [{"code": "X"}]}') == ()
