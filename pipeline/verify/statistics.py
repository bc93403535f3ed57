"""Exact statistics of few runs: whole numbers and fractions, so that every machine prints the same digits."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from math import comb

ALPHA = Fraction(1, 5000)
"""The p value at which a difference counts as caused by the host, looked at after each pair of runs from ``ENOUGH`` on.

Of behaviors that the host shows as often as the reference, 1 in 3,800 at most is blamed on it, at whatever rate.
"""

CHANCE = Fraction(1, 20)
"""The p value above which two rates may well be one."""

LOOK = 4
"""Pairs of runs after which the search for a cause may begin: what it finds is confirmed by runs of its own."""

ENOUGH = 8
"""Pairs of runs that suffice where a behavior is all or nothing: p = 0.00016."""

LONG = 20
"""Pairs of runs after which two rates that may well be one are taken for one."""

LONGEST = 40
"""Pairs of runs after which nothing more is tried."""

_SCALE = 1000


class Decision(StrEnum):
    """What some pairs of runs say."""

    CAUSED = "caused"
    FLAKY = "flaky"
    UNDECIDED = "undecided"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How often a behavior other than the reference's was seen, with a host's levels and without."""

    with_failed: int = 0
    with_of: int = 0
    without_failed: int = 0
    without_of: int = 0

    def plus(self, *, with_failed: bool, without_failed: bool) -> "Tally":
        """Return the tally after one more pair of runs."""
        return Tally(
            with_failed=self.with_failed + with_failed,
            with_of=self.with_of + 1,
            without_failed=self.without_failed + without_failed,
            without_of=self.without_of + 1,
        )

    @property
    def is_all_or_nothing(self) -> bool:
        """Whether it was seen in every run with, and in none without."""
        return self.with_failed == self.with_of and self.without_failed == 0

    @property
    def is_likely(self) -> bool:
        """Whether it was seen in every run with, and hardly ever without."""
        return self.with_failed == self.with_of > 0 and 4 * self.without_failed <= self.without_of

    @property
    def p_value(self) -> Fraction:
        """Fisher's exact p value, two-sided: of all tables with these margins, those that are no likelier."""
        failed, total = self.with_failed + self.without_failed, self.with_of + self.without_of

        def weight(with_failed: int) -> int:
            return comb(self.with_of, with_failed) * comb(self.without_of, failed - with_failed)

        lowest, highest = max(0, failed - self.without_of), min(failed, self.with_of)
        seen = weight(self.with_failed)
        weights = (weight(number) for number in range(lowest, highest + 1))
        return Fraction(sum(each for each in weights if each <= seen), comb(total, failed))


def decide(tally: Tally) -> Decision:
    """Return what the pairs so far say; after ``LONGEST`` pairs it is never CONTINUE.

    All or nothing needs ``ENOUGH`` pairs. A behavior that a host shows no oftener than the reference does is flaky as
    soon as there are as many. Anything between goes on until its p value is small enough for having been looked at
    after each pair.
    """
    if tally.with_of < ENOUGH:
        return Decision.CONTINUE
    if tally.with_failed <= tally.without_failed:
        return Decision.FLAKY
    if tally.p_value <= ALPHA:
        return Decision.CAUSED
    if tally.with_of in (LONG, LONGEST) and tally.p_value > CHANCE:
        return Decision.FLAKY
    return Decision.UNDECIDED if tally.with_of >= LONGEST else Decision.CONTINUE


def interval(failed: int, of: int) -> tuple[str, str]:
    """Return the exact (Clopper-Pearson) 95 % interval of a rate, as text in steps of 0.001, rounded outwards."""
    if of == 0:
        return "0", "1"
    low = _first(lambda step: _at_least(failed, of, step) > Fraction(1, 40)) - 1 if failed else 0
    high = _first(lambda step: 1 - _at_least(failed + 1, of, step) <= Fraction(1, 40)) if failed < of else _SCALE
    return _decimal(Fraction(max(0, low), _SCALE)), _decimal(Fraction(high, _SCALE))


def p_text(p_value: Fraction) -> str:
    """Return a p value with two significant digits, never in powers of ten."""
    return _decimal(p_value, digits=2)


def _at_least(failed: int, of: int, step: int) -> Fraction:
    """Return the chance of at least ``failed`` of ``of`` at a rate of ``step`` thousandths."""
    terms = (comb(of, number) * step**number * (_SCALE - step) ** (of - number) for number in range(failed, of + 1))
    return Fraction(sum(terms), _SCALE**of)


def _first(holds: Callable[[int], bool]) -> int:
    """Return the least step from 0 to ``_SCALE`` from which on a monotonic predicate holds."""
    low, high = 0, _SCALE
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _decimal(value: Fraction, digits: int = 4) -> str:
    number = Decimal(value.numerator) / Decimal(value.denominator)
    if number == 0:
        return "0"
    quantum = Decimal(1).scaleb(number.adjusted() - digits + 1)
    text = f"{number.quantize(min(quantum, Decimal(1))):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
