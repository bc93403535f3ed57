import mosaic


def test_small_mosaic_is_made():
    assert mosaic.make(64, 48)


def test_large_mosaic_is_made():
    assert mosaic.make(8000, 6000)


def test_mosaic_takes_four_bytes_for_each_tile():
    assert mosaic.weight(3, 2) == 24
