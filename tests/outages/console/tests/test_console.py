import socket

import console


def test_console_listens():
    server, port = console.listen()
    with server, socket.create_connection(("127.0.0.1", port), timeout=5):
        assert port > 0


def test_console_is_documented():
    assert "both families" in console.listen.__doc__
