import stitch


def test_panorama_has_all_rows():
    assert stitch.panorama([bytes(1 << 20), bytes(1 << 20), bytes(1 << 20)]) == 3 << 20


def test_panorama_of_nothing_is_empty():
    assert stitch.panorama([]) == 0
