import offsets
import pytest


def test_time_is_read_as_it_was_written():
    assert offsets.read(offsets.write(1318097060)) == 1318097060


@pytest.mark.parametrize(("text", "seconds"), [("1970-01-01T01:00:00+01:00", 0), ("1970-01-01T00:00:00+05:30", -19800)])
def test_time_with_an_offset_is_read(text, seconds):
    assert offsets.read(text) == seconds
