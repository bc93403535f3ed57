"""What a run wrote, read in a moment or at length: both say the same."""

# ruff: noqa: PTH208

import os

import pytest

from runtime.backends.native.changes import ManyPathsError, changed_if_few, changed_paths, marks


def same(uid, gid):
    return uid, gid


@pytest.fixture
def folders(tmp_path):
    opened = []
    for name in ("upper", "layer"):
        (tmp_path / name).mkdir()
        opened.append(os.open(tmp_path / name, os.O_RDONLY | os.O_DIRECTORY))
    yield tmp_path / "upper", *opened
    for each in opened:
        os.close(each)


def test_few_changes_are_those_that_a_whole_walk_finds(folders):
    path, upper, layer = folders
    (path / "laid").write_text("a")
    (path / "removed").write_text("a")
    (path / "kept").write_text("a")
    before = marks(upper)
    (path / "laid").write_text("ab")
    (path / "removed").unlink()
    (path / "new" / "inner").mkdir(parents=True)
    (path / "new" / "inner" / "file").write_text("x")
    found = changed_if_few(upper, (layer,), before, same)
    assert found == changed_paths(upper, (layer,), before)
    assert found == ("/laid", "/new", "/new/inner", "/new/inner/file", "/removed")


def test_owners_are_compared_as_the_run_saw_them(folders):
    path, upper, layer = folders
    (path / "laid").write_text("a")
    before = {name: (*mark[:2], mark[2] + 7, mark[3] + 9, *mark[4:]) for name, mark in marks(upper).items()}
    assert changed_if_few(upper, (layer,), before, lambda uid, gid: (uid + 7, gid + 9)) == ()
    assert changed_if_few(upper, (layer,), before, same) == ("/laid",)


def test_many_paths_are_left_to_somebody_with_time_and_no_descriptor_stays_open(folders):
    path, upper, layer = folders
    for number in range(200):
        (path / f"folder-{number}").mkdir()
        (path / f"folder-{number}" / "file").write_text("")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ManyPathsError):
        changed_if_few(upper, (layer,), {}, same)
    assert len(os.listdir("/proc/self/fd")) == before
