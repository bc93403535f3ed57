import socket

import beacon


def test_health_check_connects():
    server, port = beacon.listen()
    with server, socket.create_connection(("::1", port), timeout=5):
        assert port > 0


def test_beacon_is_quick():
    assert beacon.listen.__doc__
