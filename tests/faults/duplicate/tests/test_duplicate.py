import duplicate


def test_copy_is_equal(tmp_path):
    (tmp_path / "a").write_bytes(b"content" * 1000)
    duplicate.copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"content" * 1000


def test_copy_of_nothing_is_empty(tmp_path):
    (tmp_path / "a").touch()
    duplicate.copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b""


def test_name_of_a_copy():
    assert duplicate.name("report.txt") == "report (copy).txt"
