import scanner


def test_name_of_another_script_is_printed():
    assert scanner.printed("Hello, \u4e16\u754c") == b"Hello, \xe4\xb8\x96\xe7\x95\x8c\n"


def test_ascii_is_printed():
    assert scanner.printed("Hello") == b"Hello\n"
