import sizing


def test_pool_has_workers():
    assert sizing.workers() >= 1


def test_worker_needs_a_quarter_of_a_gibibyte():
    assert sizing.PER_WORKER * 4 == 1 << 30
