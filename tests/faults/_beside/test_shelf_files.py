import hashlib
import zlib

import pytest


@pytest.fixture
def shelf(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text(f"book {number}\n")
    return tmp_path


def test_shelf_holds_three_books(shelf):
    assert len(list(shelf.glob("*.txt"))) == 3


def test_shelf_has_a_digest(shelf):
    content = b"".join((shelf / f"{number}.txt").read_bytes() for number in range(3))
    assert hashlib.sha256(content).hexdigest().startswith("ddad10ca")


def test_book_is_shortened(shelf):
    assert len(zlib.compress((shelf / "0.txt").read_bytes() * 100)) < 100
