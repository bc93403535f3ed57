"""Ask a neighbor whether it is alive."""

import socket

PATIENCE = 0.3  # seconds


def answer(server):
    """Answer one neighbor that asks."""
    connection, _ = server.accept()
    with connection:
        connection.sendall(connection.recv(16))


def is_alive(address):
    """Say whether somebody answers there in time."""
    try:
        with socket.create_connection(address, timeout=PATIENCE) as neighbor:
            neighbor.sendall(b"alive?")
            return neighbor.recv(16) == b"alive?"
    except OSError:
        return False
