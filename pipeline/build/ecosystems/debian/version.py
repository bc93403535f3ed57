"""Debian versions, compared as dpkg does."""

import functools
import re
from typing import TypeAlias

from pipeline.declare.errors import LockError

# The upstream part may hold a colon only where there is an epoch, and a hyphen only where there is a revision.
_FORM = re.compile(
    r"(?!.*-$)(?:(?P<epoch>[0-9]+):(?=[A-Za-z0-9.+~:-])|(?=[^:]+$))"
    r"(?P<upstream>[A-Za-z0-9.+~:-]+?)(?:-(?P<revision>[A-Za-z0-9.+~]+))?"
)
_RUN = re.compile(r"([^0-9]*)([0-9]*)")
_LONGEST = 256

Order: TypeAlias = tuple[int, tuple[object, ...], tuple[object, ...]]


@functools.lru_cache(maxsize=65536)
def version_order(version: str) -> Order:
    """Return a key that sorts versions as dpkg does: equal keys are equal versions.

    Raises:
        LockError: ``version`` is no Debian version.

    Source: deb-version(7), "Sorting algorithm".
    """
    match = _FORM.fullmatch(version) if len(version) <= _LONGEST else None
    if match is None:
        raise LockError(f"{version[:80]!r} is no Debian version")
    return int(match["epoch"] or 0), _part_order(match["upstream"]), _part_order(match["revision"] or "")


def is_satisfied(version: str, relation: str, wanted: str) -> bool:
    """Return whether ``version`` stands in ``relation`` (``<<``, ``<=``, ``=``, ``>=``, ``>>``) to ``wanted``."""
    ours, theirs = version_order(version), version_order(wanted)
    match relation:
        case "<<":
            return ours < theirs
        case "<=" | "<":  # deb-control(5): the single signs are old, and mean "or equal"
            return ours <= theirs
        case "=":
            return ours == theirs
        case ">=" | ">":
            return ours >= theirs
        case ">>":
            return ours > theirs
        case _:
            raise LockError(f"{relation!r} is no relation between Debian versions")


def _part_order(text: str) -> tuple[object, ...]:
    """Return runs of other characters and of digits by turns, closed by the order of the end.

    Every run of other characters after the first is not empty, so that the end (0,) is compared with a real run: ``~``
    sorts before it, everything else after it.
    """
    order: list[object] = []
    for other, digits in _RUN.findall(text):
        if other or digits or not order:
            order += [(*map(_character_order, other), 0), int(digits or 0)]
    return (*order, (0,))


def _character_order(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256
