import viewer


def test_notes_are_shown():
    assert viewer.shown() == "Read me first.\n"


def test_notes_are_delivered():
    with open(f"{viewer.HERE}/notes.txt") as file:
        assert file.read()
