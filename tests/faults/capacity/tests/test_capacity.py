import capacity
import pytest


def test_there_is_at_least_one_processor():
    assert capacity.processors() >= 1


def test_there_is_some_memory():
    assert capacity.memory() > 1 << 20


@pytest.mark.parametrize(("text", "limit"), [("max", None), ("-1", None), ("", None), ("1048576", 1 << 20)])
def test_limit_is_read(tmp_path, text, limit):
    (tmp_path / "limit").write_text(text)
    assert capacity.limit(tmp_path / "limit") == limit


def test_missing_file_is_no_limit(tmp_path):
    assert capacity.limit(tmp_path / "limit") is None
