import onefile


def test_library_is_loaded_from_where_it_was_unpacked():
    assert onefile.version().startswith("1.")


def test_library_can_be_unpacked(tmp_path):
    assert onefile.unpack(tmp_path)
