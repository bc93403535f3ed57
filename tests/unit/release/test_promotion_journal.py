"""The journal of promotions, where its file is not as a journal left it."""

import os

import pytest

from pipeline.declare.errors import PromotionError
from pipeline.release.journal import Journal, Outcome
from pipeline.release.layout_stage import LayoutStage
from runtime.digest import Digest
from runtime.oci.layout import Layout

RELEASE = Digest.of(b"release")

BEGUN = (
    b'{"at":1,"event":"begun","id":"a","previous":null,'
    b'"release":"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}\n'
)


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path, clock=lambda: 1)


@pytest.fixture
def store(tmp_path):
    return LayoutStage(Layout(tmp_path / "layout"), "oci-layout:dev/web")


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


def test_line_that_the_disk_takes_in_small_parts_is_written_whole(journal, path, store, monkeypatch):
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, content, at: whole(descriptor, content[:3], at))
    path.write_bytes(b"")
    with pytest.raises(PromotionError, match="before it was live"), journal.begin(store, "dev", "web", RELEASE):
        pass
    assert [each.outcome for each in journal.promotions("dev", "web")] == [Outcome.UNDONE]


def test_disk_that_takes_nothing_more_is_an_error(journal, path, store, monkeypatch):
    path.write_bytes(b"")
    monkeypatch.setattr(os, "pwrite", lambda *_: 0)
    with (
        pytest.raises(PromotionError, match="journal cannot be used: No space left"),
        journal.begin(store, "dev", "web", RELEASE),
    ):
        pass
    assert path.read_bytes() == b""
