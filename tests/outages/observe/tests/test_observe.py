import observe


def test_folder_for_caches_is_there():
    assert observe.start().is_dir()


def test_data_has_a_place():
    assert observe.DATA.is_absolute()
