import workbench


def test_piece_is_found_again():
    bench = workbench.Workbench()
    bench.keep("leg", b"oak")
    assert bench.find("leg") == b"oak"


def test_unknown_piece_is_none():
    assert workbench.Workbench().find("arm") is None


def test_two_benches_share_nothing():
    workbench.Workbench().keep("top", b"ash")
    assert workbench.Workbench().find("top") is None
