"""What changed between two texts, in a few lines for people: the old line, the new line."""

from collections.abc import Iterator
from difflib import SequenceMatcher

_MOST_SHOWN = 8
"""Lines that are shown, of both texts together."""

_MOST_COMPARED = 2000
"""Lines of a text up to which the shortest way from one to the other is looked for."""

_WIDTH = 160
"""Characters of a line that are shown, around the first that differs."""


def changed_lines(reference: str, here: str) -> str:
    """Return the lines that only the reference has behind ``- ``, and those that only this side has behind ``+ ``.

    A long line is cut around the first character that differs from its counterpart. What is left out is counted. Empty
    if the texts are equal.
    """
    left, right = reference.splitlines(), here.splitlines()
    if left == right and reference != here:
        return "- no line feed at its end" if len(reference) < len(here) else "+ no line feed at its end"
    lines = [line for pair in _blocks(left, right) for line in pair]
    more = len(lines) - _MOST_SHOWN
    return "\n".join(lines[:_MOST_SHOWN] + [f"and {more} more lines that differ"] * (more > 0))


def _blocks(left: list[str], right: list[str]) -> Iterator[list[str]]:
    """Yield the lines of each place that differs."""
    if max(len(left), len(right)) > _MOST_COMPARED:
        first = next((at for at, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), None)
        at = min(len(left), len(right)) if first is None else first
        yield _block(left[at : at + 1], right[at : at + 1])
        return
    for tag, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag != "equal":
            yield _block(left[a:b], right[c:d])


def _block(old: list[str], new: list[str]) -> list[str]:
    """Return old and new lines in turn where there are as many, else the old ones first."""
    if len(old) == len(new):
        pairs = [_windows(one, other) for one, other in zip(old, new, strict=True)]
        return [line for one, other in pairs for line in (f"- {one}", f"+ {other}")]
    return [*(f"- {_window(line, 0)}" for line in old), *(f"+ {_window(line, 0)}" for line in new)]


def _windows(one: str, other: str) -> tuple[str, str]:
    differs = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    at = min(len(one), len(other)) if differs is None else differs
    begin = 0 if max(len(one), len(other)) <= _WIDTH else max(0, at - _WIDTH // 2)
    return _window(one, begin), _window(other, begin)


def _window(line: str, begin: int) -> str:
    shown = line[begin : begin + _WIDTH]
    return "…" * bool(begin) + shown + "…" * (begin + _WIDTH < len(line))
