import canvas


def test_large_drawing_is_kept():
    place = canvas.keep("large", bytes(3 << 20))
    assert place.stat().st_size == 3 << 20


def test_small_drawing_is_kept():
    assert canvas.keep("small", b"dot").read_bytes() == b"dot"


def test_name_is_in_the_path():
    assert "sunset" in canvas.keep("sunset", b"").name
