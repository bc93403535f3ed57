import miners


def test_pool_is_made():
    with miners.pool() as pool:
        assert pool


def test_threads_are_counted():
    assert miners.THREADS >= 0
