"""``only:`` of a spec: which of the files below a source are taken."""

import fnmatch
from collections.abc import Sequence
from pathlib import PurePosixPath


def is_chosen(path: str, only: Sequence[str]) -> bool:
    """Tell whether the file or folder at ``path`` is taken.

    A pattern matches a path, and with it everything below; ``*``, ``?`` and ``[…]`` do not cross a ``/``, ``**`` does.
    No pattern at all takes everything.

    Args:
        path: relative to the source, with ``/``, without ``.`` or ``..``.
        only: the patterns; a ``/`` at their end or ``./`` at their beginning says nothing.
    """
    if not only:
        return True
    parts = PurePosixPath(path).parts
    return any(_matches(parts, PurePosixPath(pattern).parts) for pattern in only)


def unmatched(paths: Sequence[str], only: Sequence[str]) -> tuple[str, ...]:
    """Return the patterns that match none of ``paths``: most often a slip of the pen."""
    return tuple(pattern for pattern in only if not any(is_chosen(path, (pattern,)) for path in paths))


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_matches(parts[start:], pattern[1:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])
