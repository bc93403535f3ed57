"""The journal of promotions, where its file is not as a journal left it."""

import os

import pytest

from pipeline.declare.errors import PromotionError
from pipeline.release.journal import Journal

BEGUN = (
    b'{"at":1,"event":"begun","id":"a","previous":null,'
    b'"release":"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}\n'
)


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path, clock=lambda: 1)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "dev" / "web" / "journal"
    path.parent.mkdir(parents=True)
    path.write_bytes(BEGUN)
    return path


def test_journal_whose_last_line_was_cut_is_as_without_it(journal, path):
    path.write_bytes(BEGUN + b'{"event":"st')
    assert [each.id for each in journal.promotions("dev", "web")] == ["a"]


def test_journal_too_large_to_be_read_whole_is_refused_and_left_as_it_is(journal, path):
    with path.open("ab") as file:
        os.truncate(file.fileno(), (64 << 20) + 1)
    with pytest.raises(PromotionError, match=r"journal has more than 64 MiB") as raised:
        journal.promotions("dev", "web")
    assert "move the file away" in raised.value.hint
    assert path.stat().st_size == (64 << 20) + 1
