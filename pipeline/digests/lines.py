"""The lines of short text that changed."""

from collections.abc import Sequence
from difflib import unified_diff

_MOST = 12
_WIDTH = 160
_MOST_ALIGNED = 200  # finding which of more lines moved may take the cube of their number


def changed_lines(one: bytes | None, two: bytes | None) -> tuple[str, ...]:
    """Return the lines that changed as a diff has them, the first dozen; none if one side is unknown or no text."""
    if one is None or two is None or b"\0" in one or b"\0" in two:
        return ()
    try:
        before, after = one.decode().splitlines(), two.decode().splitlines()
    except UnicodeDecodeError:
        return ()
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    changed = [each[:_WIDTH] for each in (_replaced if max(len(old), len(new)) > _MOST_ALIGNED else _aligned)(old, new)]
    return (*changed[:_MOST], *([f"… {len(changed) - _MOST} more lines"] if len(changed) > _MOST else []))


def _aligned(old: Sequence[str], new: Sequence[str]) -> list[str]:
    changed = list(unified_diff(old, new, lineterm="", n=0))[2:]
    return [each for each in changed if not each.startswith("@@ ")]


def _replaced(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Return all of both as replaced, some of each first."""
    half = _MOST // 2
    removed, added = [f"-{each}" for each in old], [f"+{each}" for each in new]
    return [*removed[:half], *added[:half], *removed[half:], *added[half:]]


def _common(one: Sequence[str], two: Sequence[str]) -> int:
    """Return how many lines are equal from the start on."""
    pairs = enumerate(zip(one, two, strict=False))
    return next((index for index, pair in pairs if pair[0] != pair[1]), min(len(one), len(two)))
