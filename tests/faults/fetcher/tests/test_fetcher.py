import fetcher


def test_cache_is_below_a_home():
    assert fetcher.cache().parts[-2:] == (".cache", "fetched")


def test_name_is_made_of_an_address():
    assert fetcher.name("https://example.org/a?b=c") == "example.org-a-b-c"
