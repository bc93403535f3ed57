"""``covering_array``: few rows of levels that meet every pair of levels of two factors (strength 2), seeded.

Factors of two levels that may all be combined have the fewest rows there are: in the first row each has one level, in
more than half of the others its other level, and no two factors have it in the same ones.

Else the search is greedy: a row is built from a pair that no row has met yet; factor by factor, in a drawn order, it
takes the level that meets most new pairs. Of some such rows the best is taken, and of some such arrays the shortest.

Source: Kleitman and Spencer, "Families of k-independent sets" (1973). Cohen, Dalal, Fredman and Patton, "The AETG
System: An Approach to Testing Based on Combinatorial Design" (1997).
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, count
from math import comb
from types import MappingProxyType
from typing import TypeAlias

from pipeline.declare.errors import SpecError

ROWS = 12
"""Rows that are built for each row that is taken."""

ARRAYS = 6
"""Arrays that are built for one that is returned."""

Row: TypeAlias = Mapping[str, str]
"""Factor → level, of every factor."""

Pair: TypeAlias = frozenset[tuple[str, str]]
"""Two factors, each with a level."""


def covering_array(
    levels: Mapping[str, Sequence[str]],
    *,
    seed: int,
    forbidden: Sequence[Row] = (),
    first: Row | None = None,
) -> tuple[Row, ...]:
    """Return rows that meet every pair of levels of two factors (strength 2) that any allowed row can meet.

    Args:
        levels: factor → its levels, at least one of each.
        seed: the same seed gives the same rows.
        forbidden: combinations of levels, of any number of factors, that no row may hold.
        first: the first row, such as the reference; it counts as one of the rows.

    Returns:
        The rows; not always the fewest there are. 40 factors of two levels take 9 rows, with forbidden combinations
        some 13; 12 of three levels and 12 of two take some 20, and 0.3 s.

    Raises:
        SpecError: a factor has no levels, a row names levels that are not there, or no row is allowed.
    """
    grid = _Grid.of(levels, forbidden)
    fixed = () if first is None else (grid.complete(first),)
    chance = random.Random(seed)  # noqa: S311 - an order, no secret
    if not forbidden and all(len(each) <= 2 for each in grid.columns):
        return tuple(grid.row(bits) for bits in _fewest(grid, *fixed, chance=chance))
    pairs = grid.possible_pairs()
    arrays = [_array(grid, pairs, fixed, chance) for _ in range(ARRAYS)]
    return tuple(grid.row(bits) for bits in min(arrays, key=len))


def pairs_met(rows: Sequence[Row]) -> frozenset[Pair]:
    """Return every pair of levels that stands together in some row."""
    return frozenset(frozenset(pair) for row in rows for pair in combinations(row.items(), 2))


@dataclass(frozen=True, slots=True)
class _Grid:
    """Factors and levels as bits: level ``number`` of all levels is ``1 << number``, a row the sum of its levels.

    Args:
        names: factor and level, by number.
        columns: the numbers of each factor's levels.
        column: number of a level → number of its factor.
        forbidden: combinations of levels, as sums.
        averting: for each of them, the levels that keep a row from holding it: all others of its factors.
    """

    names: tuple[tuple[str, str], ...]
    columns: tuple[tuple[int, ...], ...]
    column: tuple[int, ...]
    forbidden: tuple[int, ...] = ()
    averting: tuple[int, ...] = ()

    @classmethod
    def of(cls, levels: Mapping[str, Sequence[str]], forbidden: Sequence[Row]) -> "_Grid":
        lacking = [name for name, each in levels.items() if not each]
        if lacking:
            raise SpecError(f"a covering array needs levels: factor {lacking[0]!r} has none")
        names = tuple((name, level) for name, each in levels.items() for level in dict.fromkeys(each))
        column = tuple(list(levels).index(name) for name, _ in names)
        columns = tuple(
            tuple(number for number, each in enumerate(column) if each == place) for place in range(len(levels))
        )
        plain = cls(names=names, columns=columns, column=column)
        sums = tuple(plain.bits(each) for each in forbidden)
        found = replace(plain, forbidden=sums, averting=tuple(plain.others(each) for each in sums))
        if not found.is_possible(0):
            raise SpecError("a covering array needs a row: the forbidden combinations leave none")
        return found

    def bits(self, row: Row) -> int:
        """Return some levels as their sum."""
        unknown = [each for each in row.items() if each not in self.names]
        if unknown:
            raise SpecError(f"a covering array has no level {unknown[0][1]!r} of {unknown[0][0]!r}")
        return sum(1 << self.names.index(each) for each in row.items())

    def complete(self, row: Row) -> int:
        """Return a row as its sum, having looked whether it is a whole row and allowed."""
        found = self.bits(row)
        if len(row) != len(self.columns) or not self.is_possible(found):
            raise SpecError("the first row of a covering array is forbidden, or lacks a factor")
        return found

    def row(self, bits: int) -> Row:
        """Return a sum as the levels that it holds."""
        return MappingProxyType(dict(name for number, name in enumerate(self.names) if bits >> number & 1))

    def others(self, bits: int) -> int:
        """Return the levels that the factors of some levels have beside them."""
        whole = sum(
            1 << number for place in {self.column[each] for each in _numbers(bits)} for number in self.columns[place]
        )
        return whole & ~bits

    def is_possible(self, bits: int) -> bool:
        """Tell whether some allowed row holds these levels. Only factors of forbidden combinations are looked at."""
        if any(each & bits == each for each in self.forbidden):
            return False
        open_ = (each for each, others in zip(self.forbidden, self.averting, strict=True) if not others & bits)
        near = next(open_, None)
        if near is None:
            return True
        place = next(self.column[number] for number in _numbers(near & ~bits))
        return any(self.is_possible(bits | 1 << number) for number in self.columns[place])

    def may_add(self, bits: int, number: int) -> bool:
        """Tell whether an allowed row that holds some levels may hold one more, of a factor that has none yet."""
        return not any(each >> number & 1 for each in self.forbidden) or self.is_possible(bits | 1 << number)

    def possible_pairs(self) -> tuple[int, ...]:
        """Return for each level the levels of other factors that it can stand together with, as sums."""
        together = [0] * len(self.names)
        for one, two in combinations(range(len(self.names)), 2):
            if self.column[one] != self.column[two] and self.is_possible(1 << one | 1 << two):
                together[one] |= 1 << two
                together[two] |= 1 << one
        return tuple(together)


def _fewest(grid: _Grid, base: int | None = None, *, chance: random.Random) -> list[int]:
    """Return the fewest rows for factors of at most two levels, ``base`` the first of them.

    Any two of the subsets of more than half of the other rows have a row in common, and neither holds the other.
    """
    if base is None:
        base = sum(1 << chance.choice(numbers) for numbers in grid.columns)
    height = next(number for number in count(1) if comb(number, number // 2 + 1) >= len(grid.columns))
    subsets = list(combinations(range(height), height // 2 + 1))
    rows = [0] * height
    for numbers, subset in zip(grid.columns, chance.sample(subsets, len(grid.columns)), strict=True):
        usual = next(number for number in numbers if base >> number & 1)
        other = next((number for number in numbers if number != usual), usual)
        for place in range(height):
            rows[place] |= 1 << (other if place in subset else usual)
    return [base, *rows]


def _array(grid: _Grid, pairs: Sequence[int], fixed: Sequence[int], chance: random.Random) -> list[int]:
    """Return rows that meet all ``pairs``, the fixed ones first."""
    missing = list(pairs)
    rows = list(fixed)
    for row in rows:
        _meet(missing, row)
    while any(missing) or not rows:
        row = max((_row(grid, missing, chance) for _ in range(ROWS)), key=lambda row: _new(missing, row))
        _meet(missing, row)
        rows.append(row)
    return rows


def _row(grid: _Grid, missing: Sequence[int], chance: random.Random) -> int:
    """Return an allowed row that meets at least one missing pair, if there is one."""
    row = 0
    order = list(range(len(grid.columns)))
    chance.shuffle(order)
    most = max(each.bit_count() for each in missing)
    if most:
        one = chance.choice([number for number, each in enumerate(missing) if each.bit_count() == most])
        two = chance.choice(list(_numbers(missing[one])))
        row = 1 << one | 1 << two
        order = [place for place in order if place not in {grid.column[one], grid.column[two]}]
    for place in order:
        allowed = [number for number in grid.columns[place] if grid.may_add(row, number)]
        row |= 1 << max(allowed, key=lambda number: _worth(missing[number], row, chance))
    return row


def _worth(missing: int, row: int, chance: random.Random) -> tuple[int, int, float]:
    """Return what a level is worth to a row: the new pairs that it meets, then those that it may meet, then chance."""
    return (missing & row).bit_count(), missing.bit_count(), chance.random()


def _new(missing: Sequence[int], row: int) -> int:
    return sum((missing[number] & row).bit_count() for number in _numbers(row))


def _meet(missing: list[int], row: int) -> None:
    for number in _numbers(row):
        missing[number] &= ~row


def _numbers(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
