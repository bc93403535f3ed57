import player


def test_sound_is_louder():
    assert player.mixed([1, 100, 200]) == [2, 200, 255]


def test_sound_has_no_gaps():
    assert player.gaps(0.8) < 4
