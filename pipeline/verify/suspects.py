"""``Suspects``: the sets of one or two levels that may be a cause, each with its chance, and what to ask next.

A run with some levels that does not show a behavior all but clears the sets within them, and one that shows it charges
them, the more so the rarer chance shows it. So each run is asked with levels that hold half of the chance, and none is
repeated to be sure of a half-way answer: where one misleads, later ones lead back.

Source: Dorfman, "The Detection of Defective Members of Large Populations" (1943), as a sequential Bayesian search.
"""

import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

from pipeline.verify.laboratory import Levels
from pipeline.verify.statistics import Tally

SINGLE, DOUBLE = 0.8, 0.2
"""What is thought before the first run: of a cause of one level, of two."""

_ORDERS = 6
"""Drawn orders of levels, of which the one that halves the chance best is asked."""

_CLEARED = 0.4
"""The part of an even share of the chance below which a level is not asked: causes that each suffice stay apart."""


class Suspects:
    """The sets of levels that may be a cause.

    Args:
        factors: names of the levels' factors; some of them together make the behavior appear.
        tally: of the behavior under all levels of the host.
        cleared: sets that are no cause, or cannot be had.
        weights: factor → how likely it is beside others, 1 where it is not named.
    """

    def __init__(
        self,
        factors: Sequence[str],
        tally: Tally,
        cleared: Collection[Levels] = (),
        weights: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        prior = _prior(factors, weights)
        self._factors = tuple(factors)
        self._suspects = {
            levels: _Suspect(weight=weight, **_rates(tally))
            for levels, weight in prior.items()
            if levels not in cleared
        }
        self._weigh()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._suspects)

    @property
    def leader(self) -> tuple[Levels, float]:
        """The likeliest set, and its chance if the cause is among the suspects."""
        levels = max(self._suspects, key=lambda each: self._suspects[each].weight)
        return levels, self._suspects[levels].weight

    def learn(self, levels: Levels, *, is_shown: bool) -> None:
        """Take a run into account: which levels it had, and whether it showed the behavior."""
        for each, suspect in self._suspects.items():
            suspect.learn(is_within=each <= levels, is_shown=is_shown)
        self._weigh()

    def question(self, chance: random.Random) -> Levels:
        """Return the levels to ask next: of some drawn sets the one that holds nearest to half of the chance."""
        held: dict[str, dict[str, float]] = {name: {} for name in self._factors}
        for levels, suspect in self._suspects.items():
            one, two = min(levels), max(levels)
            held[one][two] = held[two][one] = suspect.weight
        order = [name for name in self._factors if sum(held[name].values()) * len(held) > _CLEARED]
        drawn = [_half(chance.sample(order, len(order)), held) for _ in range(_ORDERS)]
        return min(drawn, key=lambda found: abs(found[1] - 0.5))[0]

    def _weigh(self) -> None:
        """Let the chances add up to 1."""
        total = sum(each.weight for each in self._suspects.values())
        for suspect in self._suspects.values():
            suspect.weight /= total


@dataclass(slots=True, kw_only=True)
class _Suspect:
    """A set of levels: its chance, and how often runs with it and without it showed the behavior, if it is the cause.

    The rates are its own. One that calls much of what was shown chance must then expect as much of chance.
    """

    weight: float
    with_shown: float
    with_of: float
    without_shown: float
    without_of: float

    def learn(self, *, is_within: bool, is_shown: bool) -> None:
        if is_within:
            rate = self.with_shown / self.with_of
            self.with_shown += is_shown
            self.with_of += 1
        else:
            rate = self.without_shown / self.without_of
            self.without_shown += is_shown
            self.without_of += 1
        self.weight *= rate if is_shown else 1 - rate


def _prior(factors: Sequence[str], weights: Mapping[str, float]) -> Mapping[Levels, float]:
    """Return what is thought of each set before the first run.

    A pair is as likely as the mean of its two, the geometric one: the ratio between two sets is never more than that
    between two factors, which is what a wrong prediction can cost.
    """
    likely = {name: weights.get(name, 1.0) for name in factors}
    pairs = {frozenset(pair): math.sqrt(likely[pair[0]] * likely[pair[1]]) for pair in combinations(factors, 2)}
    single, double = sum(likely.values()), sum(pairs.values())
    prior = {frozenset({name}): SINGLE * weight / single for name, weight in likely.items()}
    return prior | {levels: DOUBLE * weight / double for levels, weight in pairs.items()}


def _rates(tally: Tally) -> Mapping[str, float]:
    """Return what a tally says of rates; those of few runs are not believed to be 0 or 1."""
    return {
        "with_shown": tally.with_failed + 0.75,
        "with_of": tally.with_of + 1.0,
        "without_shown": tally.without_failed + 0.25,
        "without_of": tally.without_of + 1.0,
    }


def _half(order: Sequence[str], held: Mapping[str, Mapping[str, float]]) -> tuple[Levels, float]:
    """Return levels, taken in order, that hold about half of the chance, and how much they hold.

    Args:
        order: names of factors.
        held: factor → factor → chance of the two together, or of the one alone.
    """
    chosen: list[str] = []
    mass = 0.0
    for name in order:
        row = held[name]
        more = row.get(name, 0.0) + sum(row.get(each, 0.0) for each in chosen)
        if abs(mass + more - 0.5) <= abs(mass - 0.5):
            chosen.append(name)
            mass += more
    return frozenset(chosen), mass
