import fractions


def test_half():
    assert fractions.Fraction("0.5") == 0.5
