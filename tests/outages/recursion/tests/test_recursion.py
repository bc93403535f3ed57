import recursion


def test_deep_document_is_compared():
    assert recursion.compare() == (0, "True\n")


def test_document_is_deep():
    assert recursion.DEPTH > 1000
