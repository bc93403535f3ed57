import layers


def test_folder_is_renamed():
    layers.replace("2")
    assert (layers.FOLDER.with_name("site.old") / "version").read_text().strip() == "1"


def test_folder_has_a_version():
    assert (layers.FOLDER / "version").exists()
