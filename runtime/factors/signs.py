"""Which factors a sign of a trace speaks for, as their ``names`` and ``signs`` say.

What matches is evidence of where to look first. A sign that speaks for many factors tells little of each.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

_NAMING = ("names", "calls")
"""Verbs of signs that are about what is called so; those of ``enters`` have a module before it."""


class Speaking(Protocol):
    """What a factor says of signs."""

    name: str
    names: str
    signs: str


class Index:
    """Finds the factors that signs speak for.

    Args:
        factors: their ``names`` are separated by blanks, their ``signs`` by semicolons.
    """

    def __init__(self, factors: Iterable[Speaking]) -> None:
        self._words: dict[str, set[str]] = {}
        self._whole: dict[str, set[str]] = {}
        self._heads: dict[str, set[str]] = {}
        for each in factors:
            for word in each.names.split():
                self._words.setdefault(word, set()).add(each.name)
            for sign in filter(None, map(str.strip, each.signs.split(";"))):
                table = self._heads if sign.endswith("*") else self._whole
                table.setdefault(sign.removesuffix("*"), set()).add(each.name)

    def factors_of(self, sign: str) -> frozenset[str]:
        """Return the names of the factors that a sign speaks for."""
        found = self._words.get(word_of(sign), set()) | self._whole.get(sign, set())
        return frozenset(found.union(*(names for head, names in self._heads.items() if sign.startswith(head))))


def word_of(sign: str) -> str:
    """Return what a sign is about, where that is something that is called so; else an empty text."""
    verb, _, about = sign.partition(" ")
    if verb == "enters":
        return about.rpartition(".")[2]
    return about if verb in _NAMING else ""


def weights(signs: Mapping[str, float], index: Index) -> dict[str, float]:
    """Return factor → how much the signs speak for it; none of those that no sign speaks for.

    Args:
        signs: sign → how telling it is, from 0 to 1.
        index: knows the factors.
    """
    found: dict[str, float] = {}
    for sign, telling in signs.items():
        names = index.factors_of(sign)
        for name in names:
            found[name] = found.get(name, 0.0) + telling / len(names)
    return found
