import workers


def test_squares_are_in_order():
    assert workers.squares([3, 1, 2]) == [9, 1, 4]


def test_workers_are_documented():
    assert workers.squares.__doc__
