import volume


def test_finished_file_is_in_its_place():
    assert volume.finish("movie", "frames").read_text() == "frames"


def test_places_differ():
    assert volume.WORK != volume.PLACE
