import pytest

import alarm


@pytest.fixture
def line():
    line = alarm.Line()
    yield line
    line.close()


def test_text_arrives(line):
    line.send("all is well")
    assert line.text() == "all is well"


def test_alarm_overtakes_what_was_sent(line):
    line.send("all is well")
    line.send_urgent("!")
    assert line.urgent() == "!"
