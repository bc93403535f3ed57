import addons
import pytest


def test_all_parts_are_loaded():
    assert len(addons.load(addons.PARTS)) == 7


def test_part_without_needs_is_loaded(tmp_path):
    (tmp_path / "base").write_text("")
    assert addons.load(tmp_path) == ["base"]


def test_part_that_needs_nothing_we_have_is_told(tmp_path):
    (tmp_path / "menu").write_text("base")
    with pytest.raises(LookupError, match="menu"):
        addons.load(tmp_path)
