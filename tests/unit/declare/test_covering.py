"""Covering arrays, checked by brute force: every pair that an allowed row can meet is met, and nothing forbidden is."""

import time
from itertools import combinations, product
from math import ceil, comb

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.declare.covering import covering_array, pairs_met
from pipeline.declare.errors import SpecError
from pipeline.declare.hosts import BUILT_IN, Catalogue

BROUGHT = Catalogue((BUILT_IN,))
TWO = {f"factor-{number}": ("usual", "other") for number in range(40)}
MIXED = {
    **{f"three-{number}": ("a", "b", "c") for number in range(12)},
    **{f"two-{number}": ("a", "b") for number in range(12)},
}


def first_levels(levels):
    return {name: each[0] for name, each in levels.items()}


def every_pair(levels):
    return {
        frozenset({(one, here), (two, there)})
        for one, two in combinations(levels, 2)
        for here, there in product(levels[one], levels[two])
    }


def is_allowed(row, forbidden):
    return not any(each.items() <= row.items() for each in forbidden)


@st.composite
def grids(draw):
    """Few factors of one to four levels, so that all of their rows can be looked at."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    levels = {f"f{place}": tuple("abcd"[:size]) for place, size in enumerate(sizes)}
    rows = [dict(zip(levels, each, strict=True)) for each in product(*levels.values())]
    forbidden = draw(
        st.lists(
            st.tuples(st.sampled_from(rows), st.sets(st.sampled_from(list(levels)), min_size=1)).map(
                lambda drawn: {name: drawn[0][name] for name in drawn[1]}
            ),
            max_size=4,
        )
    )
    return levels, forbidden, [row for row in rows if is_allowed(row, forbidden)]


@given(grids(), st.integers(0, 9))
def test_covering_array_meets_every_pair_that_any_allowed_row_meets_and_nothing_forbidden(grid, seed):
    levels, forbidden, allowed = grid
    assume(allowed)
    rows = covering_array(levels, seed=seed, forbidden=forbidden)
    assert all(dict(row) in allowed for row in rows)
    assert pairs_met(rows) == pairs_met(allowed)


@given(grids(), st.integers(0, 9), st.data())
def test_covering_array_begins_with_the_row_that_was_asked_for(grid, seed, data):
    levels, forbidden, allowed = grid
    assume(allowed)
    first = data.draw(st.sampled_from(allowed))
    rows = covering_array(levels, seed=seed, forbidden=forbidden, first=first)
    assert dict(rows[0]) == first
    assert pairs_met(rows) == pairs_met(allowed)


@pytest.mark.parametrize("levels", [TWO, MIXED], ids=["two levels", "mixed"])
def test_covering_array_of_one_seed_is_one_array_and_of_others_is_another(levels):
    assert covering_array(levels, seed=1) == covering_array(levels, seed=1)
    assert len({str(covering_array(levels, seed=seed)) for seed in range(4)}) == 4


@pytest.mark.bar("4 covering arrays")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("has_reference", [False, True], ids=["free", "reference first"])
@pytest.mark.parametrize(("levels", "most"), [(TWO, 9), (MIXED, 25)], ids=["40 of two", "12 of three and 12 of two"])
def test_covering_array_is_short_and_soon_made(levels, most, has_reference, seed):
    begin = time.process_time()
    rows = covering_array(levels, seed=seed, first=first_levels(levels) if has_reference else None)
    assert time.process_time() - begin < 1
    assert len(rows) <= most  # the bars are 13 and 25, without saying whether the reference counts: here it does
    assert pairs_met(rows) == every_pair(levels)


def test_covering_array_with_constraints_stays_short():
    levels = dict(list(TWO.items())[:20])
    forbidden = [{f"factor-{number}": "other", f"factor-{number + 1}": "other"} for number in range(0, 20, 2)]
    rows = covering_array(levels, seed=0, forbidden=forbidden, first=first_levels(levels))
    assert len(rows) <= 11  # 8 without constraints
    assert all(is_allowed(row, forbidden) for row in rows)
    assert pairs_met(rows) == every_pair(levels) - {frozenset(each.items()) for each in forbidden}


@pytest.mark.parametrize("count", range(2, 13))
def test_covering_array_of_two_levels_has_the_fewest_rows_there_are(count):
    fewest = next(number for number in range(1, 9) if comb(number - 1, ceil(number / 2)) >= count)  # their theorem
    assert len(covering_array(dict(list(TWO.items())[:count]), seed=0)) == fewest


def test_quick_set_with_the_reference_is_a_covering_array_of_the_fewest_rows():
    hosts = [BROUGHT.host(name) for name in BROUGHT.set("quick").hosts]
    levels = {}
    for host in [BROUGHT.host("reference"), *hosts]:
        for name in {each for host in hosts for each in host.differing}:
            levels.setdefault(name, []).append(host.level(name))
    levels = {name: tuple(dict.fromkeys(each)) for name, each in levels.items()}
    assert sorted(map(len, levels.values())) == [2] * 12
    reference = first_levels(levels)
    rows = [reference, *({name: host.level(name) for name in levels} for host in hosts)]
    assert pairs_met(rows) == every_pair(levels)
    assert len(rows) == len(covering_array(levels, seed=0, first=reference)) == 7


def test_covering_array_leaves_out_a_pair_that_a_third_factor_makes_impossible():
    levels = {"a": "01", "b": "01", "c": "01"}
    forbidden = [{"a": "1", "c": "0"}, {"b": "1", "c": "1"}]  # so a and b are never both 1
    met = pairs_met(covering_array(levels, seed=0, forbidden=forbidden))
    assert frozenset({("a", "1"), ("b", "1")}) not in met
    assert frozenset({("a", "1"), ("b", "0")}) in met


def test_covering_array_needs_no_row_for_what_the_first_one_meets():
    only = {"a": "0", "b": "0"}
    forbidden = [{"a": "1"}, {"b": "1"}]
    assert covering_array({"a": "01", "b": "01"}, seed=0, forbidden=forbidden, first=only) == (only,)


@pytest.mark.parametrize(
    ("levels", "options", "message"),
    [
        ({"a": ()}, {}, "factor 'a' has none"),
        ({"a": "01"}, {"forbidden": [{"a": "0"}, {"a": "1"}]}, "leave none"),
        ({"a": "01"}, {"forbidden": [{"a": "2"}]}, "no level '2' of 'a'"),
        ({"a": "01", "b": "01"}, {"first": {"a": "0"}}, "lacks a factor"),
        ({"a": "01"}, {"first": {"a": "0"}, "forbidden": [{"a": "0"}]}, "is forbidden"),
    ],
)
def test_covering_array_that_cannot_be_is_refused(levels, options, message):
    with pytest.raises(SpecError, match=message):
        covering_array(levels, seed=0, **options)
