import usage


def test_help_names_the_option_in_one_line():
    assert "  -oad OAD    filename for the transformed code\n" in usage.help_text()


def test_help_names_the_command():
    assert "psyad" in usage.help_text()
