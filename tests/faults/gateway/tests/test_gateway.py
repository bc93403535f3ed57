import socket

import gateway


def test_gateway_answers_where_it_says():
    with gateway.listen():
        socket.create_connection(("127.0.0.1", gateway.told()), timeout=5).close()


def test_told_port_is_one_of_those():
    assert gateway.told() in gateway.PORTS
