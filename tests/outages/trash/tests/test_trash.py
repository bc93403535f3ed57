import trash


def test_file_is_thrown_away():
    assert trash.name(trash.record("letter.txt")) == "letter.txt"


def test_name_is_read():
    assert trash.name(b"\0\0\0\0a.txt") == "a.txt"
