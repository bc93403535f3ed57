import quotes


def test_folder_is_below_the_home():
    assert quotes.folder().parts[-2:] == (".cache", "quotes")


def test_names_differ_by_day():
    assert quotes.name_of("ACME", "2026-01-01") != quotes.name_of("ACME", "2026-01-02")
