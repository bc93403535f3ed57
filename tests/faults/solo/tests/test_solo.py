import os

import solo


def test_owner_is_this_process(tmp_path):
    solo.take(tmp_path / "pid")
    assert solo.owner(tmp_path / "pid") == os.getpid()


def test_nobody_owns_what_is_not_there(tmp_path):
    assert solo.owner(tmp_path / "pid") is None


def test_file_has_a_fixed_length(tmp_path):
    solo.take(tmp_path / "pid")
    assert (tmp_path / "pid").stat().st_size == 6
