import audit


def test_line_ends_with_the_action():
    assert audit.line("login").endswith(" login")


def test_line_begins_with_a_name():
    assert audit.line("login").split()[0].isidentifier()
