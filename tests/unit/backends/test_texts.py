import pytest

from runtime.backends.texts import LONGEST, MOST, Texts


@pytest.mark.parametrize("content", [b"", b"text\n", "Grüße\t\x1b[1m\r\n".encode(), b"x" * LONGEST])
def test_short_text_is_kept(content):
    texts = Texts()
    texts.add("a", content)
    assert texts.kept == {"a": content.decode()}


@pytest.mark.parametrize("content", [b"\0", b"\x7fELF\x02", b"\xff\xfe", b"x" * (LONGEST + 1)])
def test_what_is_no_text_or_long_is_not(content):
    texts = Texts()
    texts.add("a", content)
    assert texts.kept == {}


def test_texts_are_kept_as_far_as_there_is_room():
    texts = Texts()
    for number in range(2 * MOST // LONGEST):
        texts.add(f"{number}", b"x" * LONGEST)
    assert len(texts.kept) == MOST // LONGEST
