import pytest

pytestmark = pytest.mark.skip(reason="needs a database")


def test_first():
    assert False


def test_second():
    assert False
