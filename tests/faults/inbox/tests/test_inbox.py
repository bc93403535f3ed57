import stat

import inbox
import pytest


@pytest.mark.parametrize("name", ["plain", "with blanks", "no.ending"])
def test_letter_is_read_as_it_was_written(tmp_path, name):
    inbox.put(tmp_path, name, b"text")
    assert (tmp_path / name).read_bytes() == b"text"


def test_group_can_read_a_letter_and_others_cannot(tmp_path):
    assert stat.S_IMODE(inbox.put(tmp_path, "a", b"text").stat().st_mode) == 0o640


def test_newer_letter_takes_the_place_of_the_older(tmp_path):
    inbox.put(tmp_path, "a", b"older")
    inbox.put(tmp_path, "a", b"newer")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"newer"]
