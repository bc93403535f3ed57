import resolve


def test_name_is_resolved_in_time():
    assert resolve.address("localhost", 30) == "127.0.0.1"


def test_resolver_says_what_it_does():
    assert resolve.address.__doc__.startswith("Return the first")
