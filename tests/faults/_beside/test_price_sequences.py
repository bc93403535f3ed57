import heapq
import itertools
import random


def test_cheapest_prices_come_first():
    prices = random.Random(3).sample(range(100), 20)
    assert heapq.nsmallest(3, prices) == sorted(prices)[:3]


def test_prices_add_up():
    assert list(itertools.accumulate([1, 2, 3])) == [1, 3, 6]


def test_prices_can_be_compressed_and_read(tmp_path):
    import gzip

    with gzip.open(tmp_path / "prices.gz", "wt", encoding="utf-8") as file:
        file.write("1\n2\n")
    with gzip.open(tmp_path / "prices.gz", "rt", encoding="utf-8") as file:
        assert [int(line) for line in file] == [1, 2]
