"""A service that greets."""

import socket


def listen(path):
    """Return a socket that listens where this machine lets it."""
    for family, address in (
        (socket.AF_INET6, ("::1", 0)),
        (socket.AF_INET, ("127.0.0.1", 0)),
        (socket.AF_UNIX, str(path)),
    ):
        try:
            return _listening(family, address)
        except OSError:
            continue
    raise OSError("there is nowhere to listen")


def greet(server, name):
    """Connect as a visitor does, and return the answer."""
    with socket.socket(server.family) as visitor:
        visitor.settimeout(10)
        visitor.connect(server.getsockname())
        visitor.sendall(name.encode())
        visitor.shutdown(socket.SHUT_WR)
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"hello, " + connection.recv(100))
        return visitor.recv(200).decode()


def _listening(family, address):
    server = socket.socket(family)
    try:
        server.bind(address)
        server.listen()
    except OSError:
        server.close()
        raise
    return server
