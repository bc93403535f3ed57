import decimal
import fractions


def test_price_is_rounded_to_cents():
    price = decimal.Decimal("19.995").quantize(decimal.Decimal("0.01"), rounding=decimal.ROUND_HALF_UP)
    assert str(price) == "20.00"


def test_price_of_a_third_is_exact():
    assert fractions.Fraction(1, 3) * 3 == 1
