"""Let one instance run at a time: it holds a port."""

import socket


class Instance:
    """An instance that runs."""

    def __init__(self, port=0):
        self.socket = socket.create_server(("127.0.0.1", port), reuse_port=False)
        self.port = self.socket.getsockname()[1]

    def end(self):
        self.socket.close()


def answers(port):
    """Tell whether there is an instance."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True
