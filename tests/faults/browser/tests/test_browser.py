import browser

PAGE = "<html><title>Tides</title></html>"


def test_page_is_shown():
    assert browser.shown(PAGE)


def test_page_has_a_title():
    assert browser.title(PAGE) == "Tides"
