import socket
import threading

import heartbeat


def test_neighbor_is_alive():
    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=heartbeat.answer, args=(server,))
        answering.start()
        assert heartbeat.is_alive(server.getsockname())
        answering.join()


def test_neighbor_that_is_gone_is_not_alive():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    assert not heartbeat.is_alive(address)
