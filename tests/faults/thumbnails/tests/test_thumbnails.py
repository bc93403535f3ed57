import thumbnails


def test_small_picture_is_shrunk():
    assert thumbnails.shrink(b"ab" * 100) == b"aa"


def test_large_picture_is_shrunk():
    assert len(thumbnails.shrink(bytes(4_000_000))) == 40_000
