import os


def test_before():
    assert True


def test_leaves_at_once():
    os._exit(0)
