import gateway


def test_gateway_fits_into_its_memory():
    assert gateway.start() == 0


def test_budget_is_a_gibibyte():
    assert gateway.BUDGET == 2**30
