import socket

import advertise


def test_service_can_be_reached():
    with advertise.listen() as server, socket.create_connection(advertise.address(server), timeout=5) as visitor:
        assert visitor.getpeername()[1] == server.getsockname()[1]


def test_address_is_shown_as_a_link():
    assert advertise.link(("127.0.0.1", 80)) == "http://127.0.0.1:80/"


def test_address_of_six_has_brackets():
    assert advertise.link(("::1", 80)) == "http://[::1]:80/"
