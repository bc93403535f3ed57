"""Likely fixes."""

from pipeline.verify.hints import HINTS, hint
from runtime.factors import FACTORS


def test_every_factor_that_can_be_a_cause_has_a_hint():
    assert {each.name for each in FACTORS} <= HINTS.keys()
    assert all(each.endswith(".") for each in HINTS.values())


def test_hint_of_several_factors_is_that_of_the_first():
    assert hint(["date", "umask"]) == HINTS["date"]
    assert hint(["unheard-of", "umask"]) == HINTS["umask"]
    assert not hint(["unheard-of"])
