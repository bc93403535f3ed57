"""Find the smallest set of factors that makes a behavior appear: single factors first, then delta debugging.

Source: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", algorithm ddmin.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction

from pipeline.verify.compare import Key
from pipeline.verify.laboratory import Laboratory, Levels
from pipeline.verify.statistics import Tally

_FEW = 2
"""Runs of one question about a behavior that is all or nothing, if they agree."""

_SOME = 5
"""Runs of one question if they do not."""

_MANY = 10
"""Runs of one question about a behavior that is unstable on the host too."""


class Oracle:
    """Answers whether some levels make a behavior appear, by few runs that all behaviors share.

    Args:
        laboratory: makes the runs.
        tallies: of the behaviors under all levels of the host.
    """

    def __init__(self, laboratory: Laboratory, tallies: Mapping[Key, Tally]) -> None:
        self._laboratory = laboratory
        self._tallies = tallies
        self._everything: Levels = frozenset(laboratory.pair.differing)
        self._exact = {key: self._is_steady(key) for key in tallies}

    def appears(self, key: Key, levels: Levels) -> bool:
        """Tell whether ``levels`` make the behavior appear.

        A behavior that was the same in all reruns of the host must be that one: two levels that each break a test in
        their own way are not one cause.

        Raises:
            BudgetError, LostRunError, FactorError: as ``Laboratory.behavior``.
        """
        if not levels:
            return False
        if levels == self._everything:
            return True
        tally = self._tallies[key]
        if tally.is_all_or_nothing:
            seen = self._count(key, levels, _FEW)
            if seen in (0, _FEW):
                return seen == _FEW
            return self._count(key, levels, _SOME) * 2 > _SOME
        middle = (Fraction(tally.with_failed, tally.with_of) + Fraction(tally.without_failed, tally.without_of)) / 2
        return self._count(key, levels, _MANY) > _MANY * middle

    def _count(self, key: Key, levels: Levels, runs: int) -> int:
        return sum(self._is_shown(key, self._laboratory.behavior(levels, index)) for index in range(1, runs + 1))

    def _is_shown(self, key: Key, behavior: Mapping[Key, str]) -> bool:
        if self._exact[key]:
            return self._laboratory.is_as_seen(key, behavior)
        return self._laboratory.deviates(key, behavior)

    def _is_steady(self, key: Key) -> bool:
        tally = self._tallies[key]
        return tally.is_all_or_nothing and all(
            self._laboratory.is_as_seen(key, self._laboratory.behavior(self._everything, index))
            for index in range(1, tally.with_of + 1)
        )


def narrow(oracle: Oracle, key: Key, factors: Sequence[str]) -> tuple[Levels, tuple[Levels, ...]]:
    """Return the smallest set of factors that makes a behavior appear, and single factors that do so too.

    Args:
        oracle: answers questions.
        key: the behavior; all ``factors`` together make it appear.
        factors: the factors in which the host differs.

    Returns:
        A set of which no part makes the behavior appear; it is one of several if several do, the smallest if one factor
        suffices.
    """
    alone = [frozenset({name}) for name in factors]
    sufficient = [levels for levels in alone if oracle.appears(key, levels)]
    if sufficient:
        return sufficient[0], tuple(sufficient[1:])
    return ddmin(factors, lambda levels: oracle.appears(key, levels)), ()


def ddmin(factors: Iterable[str], appears: Callable[[Levels], bool]) -> Levels:
    """Return a subset that makes a behavior appear and of which nothing can be left out.

    Args:
        factors: a set that makes it appear.
        appears: tells whether a subset does.
    """
    chosen = list(factors)
    parts = 2
    while len(chosen) > 1:
        chunks = [chosen[index::parts] for index in range(parts)]
        reduced = _reduced(chosen, chunks, appears)
        if reduced is not None:
            chosen, parts = reduced
        elif parts >= len(chosen):
            break
        else:
            parts = min(len(chosen), 2 * parts)
    return frozenset(chosen)


def _reduced(
    chosen: list[str], chunks: list[list[str]], appears: Callable[[Levels], bool]
) -> tuple[list[str], int] | None:
    for chunk in chunks:
        if appears(frozenset(chunk)):
            return chunk, 2
    if len(chunks) > 2:  # of two, each is the other's complement
        for chunk in chunks:
            rest = [name for name in chosen if name not in chunk]
            if appears(frozenset(rest)):
                return rest, max(len(chunks) - 1, 2)
    return None
