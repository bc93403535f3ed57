import journal


def test_journal_goes_on_after_it_was_archived():
    journal.archive("spring")
    assert isinstance(journal.pages(), list)


def test_page_has_a_name():
    assert journal.name(7) == "page-007.txt"
