"""Listen where visitors come first, or elsewhere if that is not allowed."""

import socket

PORTS = (80, 8080)


def listen():
    """Return a socket of the first port that may be had."""
    for port in PORTS:
        try:
            return socket.create_server(("127.0.0.1", port))
        except PermissionError:
            continue
    raise RuntimeError("no port may be had")


def told():
    """Return the port that visitors are told."""
    return PORTS[-1]
