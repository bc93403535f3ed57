import journal


def test_note_is_read_again():
    book = journal.Journal()
    book.add("slept well")
    book.add("read a lot")
    assert book.notes() == ["slept well", "read a lot"]


def test_small_journal_starts_without_notes(tmp_path):
    assert journal.Journal(tmp_path / "small", size=4096).notes() == []
