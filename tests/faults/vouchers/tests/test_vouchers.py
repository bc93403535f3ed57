import vouchers


def test_vouchers_differ():
    assert len({vouchers.voucher() for _ in range(20)}) == 20


def test_voucher_can_be_typed():
    assert set(vouchers.voucher()) <= set(vouchers.LETTERS)


def test_no_letter_is_taken_for_a_digit():
    assert not set("IOL") & set(vouchers.LETTERS)
