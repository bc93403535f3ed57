import images


def test_image_is_loaded():
    assert images.load("atlas") == 5


def test_loaded_image_is_known():
    assert images.size("atlas") == 5
