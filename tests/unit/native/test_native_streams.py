"""What a terminal makes of line ends is undone, whatever the chunks."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.backends.native.streams import Allowance, Lines, Pump

WRITTEN = st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"\0", b"\xff"])).map(b"".join)


def undone(shown, sizes):
    lines, found = Lines(), b""
    for size in sizes:
        found += lines.undo(shown[:size])
        shown = shown[size:]
    return found + lines.undo(shown) + lines.rest


@given(written=WRITTEN, sizes=st.lists(st.integers(1, 4)))
def test_line_ends_are_those_that_the_program_wrote(written, sizes):
    shown = written.replace(b"\n", b"\r\n")  # what ONLCR does
    assert undone(shown, sizes) == written


@pytest.mark.parametrize("written", [b"one\ntwo\r\n\rthree\r", b"", b"\n\n"])
def test_terminal_is_read_to_its_end_and_tells_what_was_written(written):
    master, terminal = os.openpty()
    heard, exceeded = [], []
    pump = Pump(master, Allowance(1 << 20, lambda: exceeded.append(True)), heard.append, terminal=True)
    pump.start()
    os.write(terminal, written)
    os.close(terminal)
    stream = pump.stream()
    assert stream.content == written == b"".join(heard)
    assert stream.size == len(written)
    assert not exceeded


def test_terminal_counts_against_the_allowance_what_it_has_shown():
    master, terminal = os.openpty()
    exceeded = []
    pump = Pump(master, Allowance(3, lambda: exceeded.append(True)), None, terminal=True)
    pump.start()
    os.write(terminal, b"\n\n")
    os.close(terminal)
    assert pump.stream().size == 2
    assert exceeded == [True]
