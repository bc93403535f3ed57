import freshness


def test_empty_cache_is_filled():
    assert freshness.Cache(lambda: "wifi").get() == "wifi"


def test_value_is_kept_for_two_minutes():
    assert freshness.SECONDS == 120
