import crawler


def test_few_pages_are_fetched():
    assert crawler.crawl(["a", "b"], str.upper) == {"a": "A", "b": "B"}


def test_all_pages_are_fetched():
    pages = [str(number) for number in range(40)]
    assert len(crawler.crawl(pages, str.upper)) == 40
