"""The front of an application, on the port that browsers take.

Since 20.10, Docker lets anybody listen on any port of a container, and containerd does not: with Kubernetes 1.24 the
same image of DevLake ended with "bind() to 0.0.0.0:80 failed (13: Permission denied)".
"""

import socket

PORT = 80


def listen():
    """Return a socket that listens."""
    return socket.create_server(("127.0.0.1", PORT))
