import pool


def test_pool_is_documented():
    assert pool.squares.__doc__


def test_squares():
    assert pool.squares([3, 1, 2]) == [1, 4, 9]


def test_squares_of_nothing():
    assert pool.squares([]) == []
