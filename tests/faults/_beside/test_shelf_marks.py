import sys

import pytest


@pytest.mark.skipif(sys.platform != "win32", reason="shelves of Windows")
def test_shelf_has_a_letter():
    raise AssertionError


@pytest.mark.xfail(reason="shelves have no end yet", strict=True)
def test_shelf_has_an_end():
    assert [1, 2, 3][3]


def test_shelf_without_books_is_empty():
    assert not []
