"""``Proven``: causes that reruns have shown on one host, for the other hosts on which the same behavior appears.

A host that has the levels of a proven cause, and shows the very behavior, needs no reruns to tell that they suffice:
they make the same hybrid of the reference. What is left to ask is whether its other levels are innocent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.verify.compare import Key
from pipeline.verify.laboratory import Levels, Pair
from pipeline.verify.statistics import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How a cause was shown.

    Args:
        tally: of the runs with all of its levels, and of the reference's.
        removed: factor → tally of the runs with all of them but its, where there are more than one.
    """

    tally: Tally
    removed: Mapping[str, Tally]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cause:
    """A cause: factor → level, and how it was shown."""

    factors: Mapping[str, str]
    shown: Shown


@dataclass(slots=True)
class Proven:
    """The causes found so far. Hosts that share behaviors are explained in turns; at once only those that add none."""

    _causes: dict[tuple[Key, str, bool], list[_Cause]] = field(default_factory=dict)
    _alone: dict[tuple[Key, frozenset[tuple[str, str]]], bool] = field(default_factory=dict)

    def add(self, key: Key, behavior: str, factors: Mapping[str, str], shown: Shown, *, whole: bool) -> None:
        """Keep a smallest set of levels that makes a behavior appear.

        Args:
            key: names the behavior.
            behavior: what was seen, the same in every run.
            factors: factor → level.
            shown: the runs that did.
            whole: whether those were of the whole suite, and not of the tests alone that differ.
        """
        self._causes.setdefault((key, behavior, whole), []).append(_Cause(factors=factors, shown=shown))

    def of(self, key: Key, behavior: str, pair: Pair, *, whole: bool) -> dict[Levels, Shown]:
        """Return the proven sets of levels that a host has, each with how, in the order of their discovery.

        No two have a factor in common. What the whole suite has shown, a part of it need not show.
        """
        found: dict[Levels, Shown] = {}
        for each in self._causes.get((key, behavior, whole), []):
            levels = frozenset(each.factors)
            if each.factors.items() <= pair.differing.items() and not any(levels & other for other in found):
                found[levels] = each.shown
        return found

    def keep_alone(self, key: Key, factors: Mapping[str, str], *, shows: bool) -> None:
        """Keep whether a test shows a behavior under some levels when no other test runs."""
        self._alone[key, frozenset(factors.items())] = shows

    def shows_alone(self, key: Key, factors: Mapping[str, str]) -> bool | None:
        """Tell it, or None if that was not asked."""
        return self._alone.get((key, frozenset(factors.items())))
