import ticks


def test_ticks_are_counted():
    assert len(ticks.ticks()) == 4


def test_ticks_are_documented():
    assert "milliseconds" in ticks.ticks.__doc__
