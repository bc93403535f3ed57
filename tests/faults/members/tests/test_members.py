import members


def test_other_spelling_is_free():
    assert not members.is_taken("carol")


def test_member_has_a_name():
    assert members.is_taken("Carol")


def test_other_name_is_free():
    assert not members.is_taken("Dave")
