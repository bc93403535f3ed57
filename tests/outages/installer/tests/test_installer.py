import installer


def test_cache_can_be_used():
    assert installer.cache().is_dir()


def test_cache_is_documented():
    assert "there afterwards" in installer.cache.__doc__
