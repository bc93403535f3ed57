import logging


def test_ticket_is_printed(capsys):
    print("ticket 7")
    assert capsys.readouterr().out == "ticket 7\n"


def test_ticket_is_logged(caplog):
    with caplog.at_level(logging.INFO):
        logging.getLogger("tickets").info("sold %s", 7)
    assert caplog.messages == ["sold 7"]


def test_ticket_price_can_be_patched(monkeypatch):
    monkeypatch.setenv("TICKET_PRICE", "3")
    import os

    assert os.environ["TICKET_PRICE"] == "3"
