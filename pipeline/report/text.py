"""``Ink``: what a stream can show; and text from strangers made safe to show on it."""

import re
import textwrap
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

WIDTH = 80
"""No result line is wider, whatever the terminal."""

COLORS = {"red": "31", "green": "32", "yellow": "33", "magenta": "35", "dim": "2", "bold": "1"}
"""Named colors only: the terminal's own theme decides how they look."""

ASCII = {"✕": "x", "≈": "~", "●": ".", "◆": "*", "\N{EN DASH}": "-", "━": "=", "╸": "=", "─": "-", "✓": "+", "…": "..."}
"""What stands for a symbol on a stream that cannot encode it."""

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL, C1: cursor movement, colors, titles
    "\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"  # bidi controls and line separators reorder what follows
    "\ud800-\udfff\ufeff]"  # lone surrogates cannot be encoded
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ink:
    """What a stream can show.

    Args:
        color: whether to color; a word always says the same.
        symbols: whether the stream can encode our symbols; ASCII stands for them otherwise.
        width: columns to fill at most.
    """

    color: bool = False
    symbols: bool = True
    width: int = WIDTH

    @classmethod
    def of(cls, stream: TextIO, environment: Mapping[str, str]) -> "Ink":
        """Decide for one stream: stdout and stderr may differ.

        ``NO_COLOR`` (not empty) wins over everything, then ``FORCE_COLOR`` and ``CLICOLOR_FORCE``, then the terminal.
        """
        return cls(color=_has_color(stream, environment), symbols=_can_encode(stream))

    def paint(self, text: str, color: str) -> str:
        """Return ``text`` in a color, or as it is."""
        return f"\x1b[{COLORS[color]}m{text}\x1b[0m" if self.color and color and text else text

    def symbol(self, symbol: str) -> str:
        """Return ``symbol``, or its stand-in."""
        return symbol if self.symbols else ASCII.get(symbol, "?")

    def plain(self, text: str) -> str:
        """Return our own text with its symbols replaced where the stream cannot encode them."""
        return text if self.symbols else "".join(ASCII.get(each, each) for each in text)

    def cut(self, text: str, width: int) -> str:
        """Return ``text``, its middle cut out if it is wider than ``width``: both ends of a test id tell something."""
        mark = self.symbol("…")
        if columns(text) <= width:
            return text
        room = max(width - len(mark), 2)
        head, tail = "", ""
        for each in text:
            if columns(head + each) > room // 3:
                break
            head += each
        for each in reversed(text):
            if columns(each + tail) > room - columns(head):
                break
            tail = each + tail
        return head + mark + tail


def visible(text: str, *, lines: bool = False) -> str:
    r"""Return text from a stranger with controls, escapes and bidi controls written as ``\x1b`` or ``\u202e``.

    Args:
        text: a test id, a message, a host's name, …
        lines: keep line feeds, and tabs as four blanks.
    """
    if lines:
        return "\n".join(visible(line.replace("\t", "    ")) for line in text.replace("\r\n", "\n").split("\n"))
    return _UNSAFE.sub(_escape, text)


def columns(text: str) -> int:
    """Return how many columns of a terminal ``text`` takes."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )


def pad(text: str, width: int) -> str:
    """Return ``text`` filled with blanks up to ``width`` columns."""
    return text + " " * (width - columns(text))


def wrap(text: str, width: int) -> list[str]:
    """Return the lines of ``text`` at most ``width`` columns wide; a word that is longer keeps its line."""
    return textwrap.wrap(text, max(width, 10), break_long_words=False, break_on_hyphens=False) or [""]


def seconds(milliseconds: int) -> str:
    """Return a duration with one decimal: ``14.9 s``."""
    tenths = (milliseconds + 50) // 100
    return f"{tenths // 10}.{tenths % 10} s"


def count(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 test``, ``2 tests``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(names: list[str], last: str = "and") -> str:
    """Return names as a sentence has them: ``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}" if names else ""


def _escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _has_color(stream: TextIO, environment: Mapping[str, str]) -> bool:
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR") or environment.get("CLICOLOR_FORCE", "0") not in {"", "0"}:
        return True
    return environment.get("TERM") != "dumb" and stream.isatty()


def _can_encode(stream: TextIO) -> bool:
    try:
        "".join(ASCII).encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
