import kitchen
import pytest


@pytest.mark.parametrize("cook", range(kitchen.cooks()))
def test_cook_has_a_place(cook):
    assert kitchen.place(cook) == f"stove {cook + 1}"


def test_dishes_are_shared_out():
    assert kitchen.shared(["soup", "bread", "salad"], 2) == [["soup", "salad"], ["bread"]]
