import passwords


def test_salt_is_long_enough():
    assert len(passwords.salt()) == 32


def test_salt_is_documented():
    assert "random" in passwords.salt.__doc__
