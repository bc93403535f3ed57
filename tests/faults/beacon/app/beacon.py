"""Tell other processes of this machine that the service is alive."""

import socket


def listen():
    """Return a socket that the health check connects to, and its port."""
    server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    return server, server.getsockname()[1]
