"""Find the smallest sets of levels that make a behavior appear: suspects of one or two levels, else delta debugging.

Source: Wald, "Sequential Tests of Statistical Hypotheses" (1945).
"""

import math
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from pipeline.verify.compare import Key
from pipeline.verify.delta import bisect, ddmin
from pipeline.verify.laboratory import NONE, BudgetError, Laboratory, Levels, Rerun
from pipeline.verify.schedule import LostRunError
from pipeline.verify.statistics import ENOUGH, Decision, Tally, decide
from pipeline.verify.suspects import Suspects
from runtime.errors import FactorError

_CONVINCED = 0.95
"""The chance from which on the likeliest set is confirmed by reruns of its own."""

_LIKELY = 0.5
"""The chance above which the likeliest set is asked beside a question."""

_QUESTIONS = 5
"""Runs for each halving of the suspects, after which a cause of one level or two is given up."""

_GUILTY = 10_000.0
"""The odds at which a sequential test believes that levels make a behavior appear: the search goes on within them."""

_INNOCENT = 200.0
"""The odds at which it believes that they do not."""

_LEFT = 12.0
"""The odds at which it believes that of what is left without a cause: nobody is blamed if that is wrong."""

_TRIES = 5
"""Drawn questions of which one must be about levels that can be had together."""

_LONGEST = 40
"""Runs after which a sequential test takes the likelier answer."""

_KEPT = 16
"""Runs that a search leaves of the budget: they confirm that the host behaves differently, if no cause is found."""


class UnconfirmedError(Exception):
    """Reruns of what was found did not confirm it. It never leaves this package."""


class Oracle:
    """Answers whether some levels make a behavior appear, by runs that all behaviors share.

    Args:
        laboratory: makes the runs.
        tallies: of the behaviors under all levels of the host; at least some pairs of runs each, but where a cause is
            proven.
        seed: draws what is asked.
        proven: causes of behaviors that were shown on other hosts, and every time.
        weights: returns factor → how likely it is beside others, 1 where it is not named, for a behavior.
    """

    def __init__(
        self,
        laboratory: Laboratory,
        tallies: Mapping[Key, Tally],
        seed: int,
        proven: Mapping[Key, Collection[Levels]] = MappingProxyType({}),
        weights: Callable[[Key], Mapping[str, float]] = lambda _: {},
    ) -> None:
        self._laboratory = laboratory
        self._everything: Levels = frozenset(laboratory.pair.differing)
        self._tallies = tallies
        self._proven = proven
        self._weights = weights
        self.exact = {key: key in proven or self._is_steady(key, tally) for key, tally in tallies.items()}
        self._random = random.Random(f"{seed} {laboratory.pair.host.digest}")  # noqa: S311 - an order, no secret

    def appears(self, key: Key, levels: Levels, innocent: float = _INNOCENT, like: Levels = NONE) -> bool:
        """Tell whether ``levels`` make the behavior appear, by a sequential test.

        A behavior that was the same in all reruns of the host must be that one: two levels that each break a test in
        their own way are not one cause.

        Args:
            key: the behavior.
            levels: the levels.
            innocent: the odds at which it is believed that they do not.
            like: levels that show it as often as these would, for which all of the host's stand.

        Raises:
            BudgetError, LostRunError, FactorError: as ``Laboratory.behavior``.
        """
        if not levels:
            return False
        if levels == self._everything:
            return True
        caused, chance = self._rates(key, like or self._everything)
        shown, hidden = caused / chance, (1 - caused) / (1 - chance)
        needed = min(_steps(shown, _GUILTY), _steps(hidden, 1 / innocent))
        beside = self._references() if needed % 2 and not self._proven.keys() >= self._tallies.keys() else ()
        self._laboratory.make([(levels, index) for index in range(1, needed + 1)], keep=_KEPT, beside=beside)
        odds = 1.0
        for index in range(1, _LONGEST + 1):
            odds *= shown if self._is_shown(key, self._run(levels, index)) else hidden
            if odds >= _GUILTY or odds * innocent <= 1:
                break
        return odds > 1

    def cause(self, key: Key, factors: Levels) -> Levels:
        """Return a smallest set of ``factors``, which together make the behavior appear, that does so too.

        Raises:
            UnconfirmedError: what was found did not do so in enough reruns of its own.
            BudgetError, LostRunError, FactorError: as ``Laboratory.behavior``.
        """
        known = next((each for each in self._proven.get(key, ()) if each <= factors), NONE)
        if known:
            return known
        cleared: set[Levels] = set()
        suspects = self._suspects(key, factors, cleared)
        left = _QUESTIONS * suspects.count.bit_length()
        while left > 0:
            leader, certainty = suspects.leader
            asked = self._ask(key, suspects) if certainty < _CONVINCED else 0
            left -= max(1, asked)
            if asked:
                continue
            found = self._smallest(key, leader, cleared, rest=factors - leader)
            if found:
                return found
            suspects = self._suspects(key, factors, cleared)
            if not suspects.count:
                break
        return self._by_parts(key, factors)

    def _suspects(self, key: Key, factors: Levels, cleared: Collection[Levels]) -> Suspects:
        """Return the suspects among ``factors`` after all runs that were made for any behavior."""
        suspects = Suspects(sorted(factors), self._tallies[key], cleared, self._weights(key))
        for levels, behavior in self._laboratory.seen(factors):
            suspects.learn(levels, is_shown=self._is_shown(key, behavior))
        return suspects

    def _ask(self, key: Key, suspects: Suspects) -> int:
        """Make one more run, of the levels that tell most, or two; return how many told: none if none can be had."""
        for _ in range(_TRIES):
            levels = suspects.question(self._random)
            question = (levels, self._laboratory.next_index(levels))
            beside = self._references() or self._ahead(suspects, question)
            try:
                self._laboratory.make([question], keep=_KEPT, beside=beside)
            except (FactorError, LostRunError):
                continue
            told = [each for each in (question, *beside) if each[0] and self._laboratory.is_made(*each)]
            for each in told:
                suspects.learn(each[0], is_shown=self._is_shown(key, self._run(*each)))
            return len(told)
        return 0

    def _references(self) -> Sequence[Rerun]:
        """Return a run of the reference that confirms whatever is found: a question leaves room for one beside it."""
        index = self._laboratory.next_index(NONE)
        return [(NONE, index)] if index <= ENOUGH else []

    def _ahead(self, suspects: Suspects, question: Rerun) -> Sequence[Rerun]:
        """Return what is asked beside a question: another one, or the likeliest set, which a run of its own confirms.

        Two halves that are drawn apart tell almost as much at once as one after the other.
        """
        if not self._laboratory.has_room:
            return []
        leader, certainty = suspects.leader
        other = leader if certainty > _LIKELY else suspects.question(self._random)
        other = leader if other == question[0] else other
        if other == question[0]:
            return [(other, question[1] + 1)] if certainty > _LIKELY else []
        return [(other, self._laboratory.next_index(other))]

    def _smallest(self, key: Key, levels: Levels, cleared: set[Levels], rest: Levels) -> Levels:
        """Return a part of a set that makes the behavior appear, the set itself if none does, nothing if it does not.

        The set is tried first: how often it shows the behavior is what its parts are held against.

        Args:
            key: the behavior.
            levels: a set of one level or two.
            cleared: takes what does not.
            rest: the other levels; whether these make it appear too is asked next, if the set does.
        """
        if not self._suffices(key, levels, rest=rest):
            cleared.add(levels)
            return NONE
        parts = {frozenset({name}) for name in levels} - {levels} - cleared
        for part in sorted(parts, key=sorted):
            if self._suffices(key, part, whole=levels):
                return part
            cleared.add(part)
        return levels

    def _suffices(self, key: Key, levels: Levels, whole: Levels = NONE, rest: Levels = NONE) -> bool:
        """Tell whether levels make the behavior appear in reruns of their own; for a part of a ``whole``, if it may."""
        try:
            return (not whole or self.appears(key, levels, like=whole)) and self._is_confirmed(key, levels, rest)
        except FactorError:  # they cannot be had by themselves
            return False

    def _by_parts(self, key: Key, factors: Levels) -> Levels:
        """Return a smallest set by delta debugging: for causes of three levels and more, and behaviors that are odd.

        The behavior is confirmed first: that is cheap beside the search, and tells the rates that it goes by.
        """
        if not self._is_confirmed(key, self._everything):
            raise UnconfirmedError
        weights = self._weights(key)
        likeliest_first = sorted(factors, key=lambda name: (-weights.get(name, 1.0), name))
        few = bisect(likeliest_first, lambda part: self.appears(key, part))
        levels = ddmin(few, lambda part: self.appears(key, part))
        if not self._is_confirmed(key, levels):
            raise UnconfirmedError
        return levels

    def _rates(self, key: Key, levels: Levels) -> tuple[float, float]:
        """Return how often runs with ``levels`` and runs of the reference show a behavior, as far as is known."""
        tally = self._laboratory.known(key, levels)
        return (tally.with_failed + 0.75) / (tally.with_of + 1), (tally.without_failed + 0.25) / (tally.without_of + 1)

    def _is_confirmed(self, key: Key, levels: Levels, rest: Levels = NONE) -> bool:
        beside = [(rest, 1)] if rest else []
        decision = decide(self._laboratory.tally([key], levels, beside=beside)[key])
        if decision is Decision.CONTINUE:
            raise BudgetError
        return decision is Decision.CAUSED

    def _run(self, levels: Levels, index: int) -> Mapping[Key, str]:
        return self._laboratory.behavior(levels, index, keep=_KEPT)

    def _is_shown(self, key: Key, behavior: Mapping[Key, str]) -> bool:
        if self.exact[key]:
            return self._laboratory.is_as_seen(key, behavior)
        return self._laboratory.deviates(key, behavior)

    def _is_steady(self, key: Key, tally: Tally) -> bool:
        return tally.is_all_or_nothing and all(
            self._laboratory.is_as_seen(key, self._laboratory.behavior(self._everything, index))
            for index in range(1, tally.with_of + 1)
        )


def _steps(factor: float, odds: float) -> int:
    """Return how many times odds of 1 are multiplied by a factor until they are others, at most ``_LONGEST``."""
    if factor == 1 or (factor > 1) != (odds > 1):
        return _LONGEST
    return min(_LONGEST, math.ceil(math.log(odds) / math.log(factor)))


def narrow(oracle: Oracle, key: Key, factors: Iterable[str]) -> tuple[tuple[Levels, ...], Levels]:
    """Return the smallest sets of levels that each make a behavior appear, and the levels that are innocent.

    Args:
        oracle: answers questions.
        key: the behavior; all ``factors`` together make it appear.
        factors: the factors in which the host differs.

    Returns:
        Sets of which no part makes the behavior appear and no two have a factor in common, the smallest first; and all
        other factors, or none if it could not be shown that they do not make it appear.

    Raises:
        UnconfirmedError, BudgetError, LostRunError, FactorError: before the first set was found.
    """
    rest: Levels = frozenset(factors)
    found = [oracle.cause(key, rest)]
    try:
        while oracle.appears(key, rest := rest - found[-1], _LEFT):
            found.append(oracle.cause(key, rest))
    except (UnconfirmedError, BudgetError, LostRunError, FactorError):
        rest = NONE
    return tuple(sorted(found, key=lambda levels: (len(levels), sorted(levels)))), rest
