import io
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.text import Ink, columns, count, listed, seconds, visible, wrap


class Stream(io.StringIO):
    def __init__(self, *, tty=False, encoding="utf-8"):
        super().__init__()
        self._tty, self._encoding = tty, encoding

    def isatty(self):
        return self._tty

    @property
    def encoding(self):
        return self._encoding


def color(environment, *, tty):
    return Ink.of(Stream(tty=tty), environment).color


def test_color_is_on_at_terminal_and_off_in_pipe():
    assert color({}, tty=True)
    assert not color({}, tty=False)
    assert not color({"TERM": "dumb"}, tty=True)


def test_color_no_color_wins_over_force_color():
    assert not color({"NO_COLOR": "1", "FORCE_COLOR": "1"}, tty=True)


def test_color_empty_no_color_is_ignored():
    assert color({"NO_COLOR": ""}, tty=True)


def test_color_is_forced_in_pipe():
    assert color({"FORCE_COLOR": "1"}, tty=False)
    assert color({"CLICOLOR_FORCE": "1"}, tty=False)
    assert not color({"CLICOLOR_FORCE": "0"}, tty=False)
    assert not color({"GITHUB_ACTIONS": "true"}, tty=False)


def test_symbols_fall_back_where_stream_is_ascii():
    ink = Ink.of(Stream(encoding="ascii"), {})
    assert ink.symbol("✕") == "x"
    assert "".join(map(ink.symbol, "≈●◆\N{EN DASH}━")) == "~.*-="
    assert Ink.of(Stream(), {}).symbol("✕") == "✕"


def test_paint_without_color_changes_nothing():
    assert Ink().paint("FAILED", "red") == "FAILED"
    assert Ink(color=True).paint("FAILED", "red") == "\x1b[31mFAILED\x1b[0m"


def test_visible_escapes_controls_and_bidi():
    assert visible("a\x1b[31m\x9b\u202e\u2066\nb") == "a\\x1b[31m\\x9b\\u202e\\u2066\\x0ab"


def test_visible_lines_keeps_line_feeds_and_tabs_only():
    assert visible("a\r\n\tb\x07", lines=True) == "a\n    b\\x07"


@given(st.text())
def test_visible_leaves_nothing_that_controls_a_terminal(text):
    assert all(unicodedata.category(each) not in {"Cc", "Cs"} for each in visible(text))
    assert visible(visible(text)) == visible(text)


@given(st.text(alphabet=st.characters(categories=("L", "N", "P"))), st.integers(5, 90), st.booleans())
def test_cut_is_never_wider_and_keeps_short_text(text, width, symbols):
    cut = Ink(symbols=symbols).cut(text, width)
    assert columns(cut) <= width
    assert cut == text or columns(text) > width


def test_cut_keeps_both_ends():
    assert Ink().cut("tests/unit/test_a_very_long_name.py::test_x", 24).startswith("tests/u…")
    assert Ink().cut("tests/unit/test_a_very_long_name.py::test_x", 24).endswith("::test_x")


def test_columns_counts_wide_characters_twice():
    assert columns("日本a") == 5


def test_words_for_numbers_and_names():
    assert count(1, "test") == "1 test"
    assert count(0, "test") == "0 tests"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert seconds(14_949) == "14.9 s"
    assert seconds(50) == "0.1 s"


def test_wrap_never_breaks_a_word():
    assert wrap("a " + "x" * 30, 10) == ["a", "x" * 30]
