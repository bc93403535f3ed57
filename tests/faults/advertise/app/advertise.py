"""Tell others of this machine where a service listens."""

import socket


def listen():
    """Return a socket that listens: on IPv6 where there is some."""
    try:
        return socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        return socket.create_server((socket.gethostname(), 0))


def address(server):
    """Return the host and the port to connect to."""
    return server.getsockname()[:2]


def link(address):
    """Return it as a link."""
    host, port = address
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
