import pytest
from recorder import Recorder


@pytest.fixture
def recorder():
    recorder = Recorder("sleep", "60")
    yield recorder
    recorder.discard()


def test_recording_goes_on(recorder):
    assert recorder.is_recording


def test_recording_ends(recorder):
    recorder.stop()
    assert not recorder.is_recording
