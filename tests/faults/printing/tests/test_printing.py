import printing


def test_each_page_has_a_result():
    assert len(printing.print_all(range(450))) == 450


def test_no_page_has_no_result():
    assert printing.print_all([]) == {}
