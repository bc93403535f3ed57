"""Which factors a sign of a trace speaks for, as their ``names`` and ``signs`` say.

What matches is evidence of where to look first. A sign that speaks for many factors tells little of each.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, Protocol

_NAMING, _ENTERING = ("names", "calls"), ("enters", "reaches")
"""Verbs of signs that are about what is called so; the latter ones have its module before it."""


class Speaking(Protocol):
    """What a factor says of signs."""

    name: ClassVar[str]
    names: ClassVar[str]
    signs: ClassVar[str]


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

    def factors_of(self, sign: str) -> Mapping[str, str]:
        """Return the name of each factor that a sign speaks for → by what: a word of the sign, or the whole of it."""
        found = dict.fromkeys(self._whole.get(sign, ()), sign)
        found |= {name: sign for head, names in self._heads.items() if sign.startswith(head) for name in names}
        for word in words_of(sign):
            found |= dict.fromkeys(self._words.get(word, ()), word)
        return found


def words_of(sign: str) -> tuple[str, ...]:
    """Return what a sign is about, where that is something that is called so: a function, its class, its module."""
    verb, _, about = sign.partition(" ")
    if verb in _ENTERING:
        return tuple(about.split("."))
    return (about,) if verb in _NAMING else ()
