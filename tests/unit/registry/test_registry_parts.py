"""A blob in parts: read while they are sent, sent again from any byte, and filled up where reading fails."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.declare.errors import FetchError
from pipeline.registry.part import Content, Part


def part_of(*blocks):
    return Part(Content(blocks), sum(map(len, blocks)))


@given(st.lists(st.binary(max_size=9)), st.integers(1, 8))
def test_parts_one_after_the_other_have_the_bytes_of_the_content(blocks, size):
    whole = b"".join(blocks)
    content = Content(blocks)
    parts = [Part(content, min(size, len(whole) - start)) for start in range(0, len(whole), size)]
    assert b"".join(itertools.chain.from_iterable(each.blocks() for each in parts)) == whole
    content.check()


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1), st.data())
def test_part_can_be_sent_again_from_any_byte_whatever_was_read_of_it(blocks, data):
    whole, part = b"".join(blocks), part_of(*blocks)
    for _ in range(3):
        start = data.draw(st.integers(0, len(whole)))
        rest = part.from_byte(start)
        assert len(rest) == len(whole) - start
        for _ in itertools.islice(rest, data.draw(st.integers(0, 3))):  # the connection ended there
            pass
        assert b"".join(rest) == whole[start:]


def test_nothing_is_read_before_it_is_sent():
    read = []

    def blocks():
        for each in (b"a", b"b", b"c", b"d"):
            read.append(each)
            yield each

    sent = iter(Part(Content(blocks()), 4).from_byte(0))
    assert (next(sent), read) == (b"a", [b"a", b"b"])


def failing():
    yield b"abc"
    yield b"def"
    raise FetchError("here it ends")


def test_where_reading_fails_zeros_are_sent_and_the_last_block_is_not():
    content = Content(failing())
    parts = [Part(content, 5), Part(content, 5)]
    assert [b"".join(each.from_byte(0)) for each in parts] == [b"abc\0\0", bytes(5)]
    for _ in range(2):
        with pytest.raises(FetchError, match="here it ends"):
            content.check()


def test_content_that_is_too_short_is_a_failure():
    content = Content([b"abc"])
    assert b"".join(Part(content, 5).from_byte(1)) == b"bc\0\0"
    with pytest.raises(FetchError, match="ends before its last byte"):
        content.check()
