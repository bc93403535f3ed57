import logbook


def test_logbook_goes_on_after_it_was_archived():
    logbook.archive("spring")
    assert isinstance(logbook.pages(), list)


def test_page_has_a_name():
    assert logbook.name(7) == "page-007.txt"
