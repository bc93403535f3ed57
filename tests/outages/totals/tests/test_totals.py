import totals


def test_both_ways_say_the_same():
    assert totals.by_call() == totals.by_file()


def test_there_is_memory():
    assert totals.by_file() > 0
