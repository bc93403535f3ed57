import register


def test_address_has_four_numbers():
    assert [int(part) >= 0 for part in register.address().split(".")] == [True] * 4


def test_address_is_documented():
    assert "name" in register.address.__doc__
