import time


def test_before():
    assert True


def test_waits_for_ever():
    while True:
        time.sleep(1)
