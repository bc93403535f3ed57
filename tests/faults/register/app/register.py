"""Tell a registry where this service can be reached."""

import socket


def address():
    """Return the address that belongs to this machine's name."""
    return socket.gethostbyname(socket.gethostname())
