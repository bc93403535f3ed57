import usage


def test_help_begins_with_the_usage():
    assert usage.text().startswith("usage: backup")


def test_help_fits_two_columns():
    assert "  --target TARGET  where the copies go" in usage.text()
