import broker


def test_broker_starts():
    assert broker.start() == 0


def test_heap_is_what_the_guide_says():
    assert broker.HEAP == 128 * 1024 * 1024
