from pipeline.verify.hints import HINTS, hint
from runtime.factors import FACTORS


def test_every_factor_has_a_likely_fix():
    assert HINTS.keys() == {each.name for each in FACTORS}


def test_hint_of_two_factors_has_what_each_of_them_asks_for():
    assert hint(["root-filesystem", "tmp"]) == f"{HINTS['root-filesystem']} {HINTS['tmp']}"


def test_hint_of_what_is_no_factor_is_empty():
    assert hint(["weather"]) == ""
