import serials


def test_serial_has_a_fixed_length():
    assert len(serials.serial()) == 18


def test_serial_has_digits_and_a_hyphen():
    assert serials.serial().replace("-", "").isdecimal()


def test_time_of_a_serial():
    assert serials.moment(1_700_000_000.25) == "20231114221320-250"
