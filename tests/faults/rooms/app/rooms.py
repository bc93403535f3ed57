"""Rooms for a chat, each behind a port."""

import random
import socket

PORTS = range(20300, 20306)


class Room:
    """A room that is open while it is entered."""

    def __init__(self):
        self.port = random.choice(PORTS)
        self._server = None

    def __enter__(self):
        self._server = socket.create_server(("127.0.0.1", self.port))
        return self

    def __exit__(self, *exception):
        self._server.close()
