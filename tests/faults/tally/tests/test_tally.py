import pytest
import tally


@pytest.mark.parametrize("ballots", [[], ["a"], ["a", "b", "a"], list("abcab" * 20)])
def test_all_ballots_are_counted(ballots):
    assert sum(tally.count(ballots).values()) == len(ballots)


def test_winner_has_most():
    assert max(tally.count(list("aabac")).items(), key=lambda each: each[1]) == ("a", 3)
