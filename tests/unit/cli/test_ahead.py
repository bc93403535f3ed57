"""What the end of a verification needs is loaded when the first run was made, and not for runs that are known."""

import threading

import pytest

from pipeline.cli import ahead
from pipeline.verify.events import RunFinished


def event(*, cached=False):
    return RunFinished(environment="web", host="reference", index=0, is_cached=cached, duration=1)


@pytest.fixture
def loaded(monkeypatch):
    """What was loaded: whether that was for a signature, of each time."""
    found = []
    monkeypatch.setattr(ahead, "_load", lambda *, signs: found.append(signs))
    return found


def told(events, *, signs=True):
    """Tell some events on, and return what arrived."""
    arrived = []
    tell = ahead.loading_ahead(arrived.append, signs=signs)
    for each in events:
        tell(each)
    for each in threading.enumerate():
        if each.name == "ahead":
            each.join()
    return arrived


@pytest.mark.parametrize("signs", [True, False])
def test_first_run_that_is_made_begins_to_load_once(loaded, signs):
    events = ["other", event(cached=True), event(), event()]
    assert told(events, signs=signs) == events
    assert loaded == [signs]


def test_runs_that_are_known_load_nothing(loaded):
    assert len(told([event(cached=True), "other"])) == 2
    assert loaded == []


def test_event_is_told_where_no_thread_is_to_be_had(loaded, monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert len(told([event()])) == 1
    assert loaded == []


def test_what_cannot_be_loaded_is_left_to_who_needs_it(monkeypatch):
    def refuse():
        raise OSError("too many open files")

    monkeypatch.setattr("pipeline.report.html.compiled_page", refuse)
    assert ahead._load(signs=True) is None
