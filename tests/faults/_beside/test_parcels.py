"""Sums, and nothing but the processor."""

import pytest


def postage(weight, parcels=1):
    return parcels * (3 + 2 * weight)


@pytest.mark.parametrize(("weight", "expected"), [(0, 3), (1, 5), (10, 23)])
def test_postage_of_a_parcel(weight, expected):
    assert postage(weight) == expected


def test_postage_of_many_parcels():
    assert postage(2, parcels=7) == 7 * postage(2)
