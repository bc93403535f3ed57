import convert


def test_text_becomes_upper():
    assert convert.upper("abc") == "ABC"


def test_converter_is_documented():
    assert convert.upper.__doc__
