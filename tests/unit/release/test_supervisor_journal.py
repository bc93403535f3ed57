"""The log of a deployment: lines of containers, secrets hidden, and never without end."""

from pathlib import Path

import pytest

from pipeline.release.targets.supervisor.journal import Journal


def lines(path):
    return [line.partition(" ")[2] for line in path.read_text().splitlines()]


def test_secret_that_two_chunks_share_is_hidden(tmp_path):
    journal = Journal(tmp_path / "log")
    journal.hide(["hunter2", "hunter2-more"])
    stream = journal.stream("web-1", "out")
    stream(b"the token is hun")
    stream(b"ter2-more, and hunter2\nno end")
    stream.close()
    journal.close()
    assert lines(tmp_path / "log") == ["web-1 out the token is ****, and ****", "web-1 out no end"]


def test_full_log_is_begun_anew_and_one_older_one_is_kept(tmp_path):
    journal = Journal(tmp_path / "log", most=200)
    for number in range(20):
        journal.note("web-1", f"{number} {'x' * 50}")
    journal.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["log", "log.1"]
    assert (tmp_path / "log.1").stat().st_size < 400
    kept = "".join(each.read_text() for each in tmp_path.iterdir())
    assert " 19 " in kept
    assert " 2 " not in kept


@pytest.mark.parametrize("start", range(65_520, 65_540))
def test_secret_at_the_place_where_an_endless_line_is_cut_is_hidden(tmp_path, start):
    journal = Journal(tmp_path / "log")
    journal.hide(["hunter2"])
    stream = journal.stream("web-1", "out")
    text = b"x" * start + b"hunter2" + b"y" * 100
    for at in range(0, len(text), 4096):
        stream(text[at : at + 4096])
    stream.close()
    journal.close()
    assert "".join(line.rpartition(" ")[2] for line in lines(tmp_path / "log")) == "x" * start + "****" + "y" * 100


def test_secret_that_begins_as_a_shorter_one_where_an_endless_line_is_cut_is_hidden(tmp_path):
    journal = Journal(tmp_path / "log")
    journal.hide(["hunter2", "hunter2-more"])
    stream = journal.stream("web-1", "out")
    stream(b"x" * (1 << 16) + b"hunter2")
    stream(b"-more\n")
    journal.close()
    assert "".join(line.rpartition(" ")[2] for line in lines(tmp_path / "log")) == "x" * (1 << 16) + "****"


def test_line_of_a_secret_that_overlaps_itself_ends_too(tmp_path):
    journal = Journal(tmp_path / "log")
    journal.hide(["aaaaaaaa"])
    stream = journal.stream("web-1", "out")
    for _ in range(64):
        stream(b"a" * 4096)
    stream.close()
    journal.close()
    assert "aaaaaaaa" not in (tmp_path / "log").read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no file of this system is always full")
def test_log_on_a_full_disk_stops_nobody(tmp_path):
    (tmp_path / "log").symlink_to("/dev/full")
    journal = Journal(tmp_path / "log")
    for _ in range(3):
        journal.note("web-1", "started")
    journal.stream("web-1", "out")(b"hello\n")
    journal.close()


def test_log_that_cannot_be_begun_anew_is_gone_on_with(tmp_path):
    (tmp_path / "log.1").mkdir()
    journal = Journal(tmp_path / "log", most=200)
    for number in range(20):
        journal.note("web-1", f"{number} {'x' * 50}")
    journal.close()
    assert " 19 " in (tmp_path / "log").read_text()
