"""The statistics by which a start is compared with those of peers."""

import random
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "bench"))

from ratio import percentile, ratio_of_medians


def test_ratio_of_equal_series_is_one():
    found = ratio_of_medians([3.0, 1.0, 2.0], [3.0, 1.0, 2.0])
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_interval_of_noisy_pairs_holds_the_true_ratio_and_narrows_with_more_of_them():
    chance = random.Random(1)

    def interval(turns):
        noise = [chance.gauss(1, 0.2) for _ in range(turns)]
        return ratio_of_medians([0.5 * each for each in noise], [chance.gauss(1, 0.2) for _ in range(turns)])

    few, many = interval(20), interval(500)
    assert few.low < 0.5 < few.high
    assert many.high - many.low < few.high - few.low


def test_disturbance_of_a_whole_turn_does_not_move_the_interval():
    loads = [1.0, 5.0, 1.0, 9.0, 1.0, 1.0, 30.0]
    found = ratio_of_medians([2 * each for each in loads], loads)
    assert (found.low, found.high) == (2.0, 2.0)


def test_series_that_are_no_pairs_are_refused():
    with pytest.raises(ValueError, match="pairs"):
        ratio_of_medians([1.0], [])


def test_percentile_is_a_measured_value():
    assert percentile([5, 1, 4, 2, 3], 0.95) == 5
    assert percentile([5, 1, 4, 2, 3], 0.0) == 1
