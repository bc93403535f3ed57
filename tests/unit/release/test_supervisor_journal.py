"""The log of a deployment: lines of containers, secrets hidden, and never without end."""

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
