import orphans


def test_worker_that_has_ended_is_gone():
    assert orphans.is_gone(orphans.start(), 3)


def test_worker_starts():
    assert orphans.start() > 1
