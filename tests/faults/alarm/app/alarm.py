"""A line to a worker beside us, on which urgent bytes overtake others."""

import socket


class Line:
    """A line and its two ends."""

    def __init__(self):
        self.here, self.there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    def send(self, text):
        self.here.sendall(text.encode())

    def send_urgent(self, letter):
        self.here.send(letter.encode(), socket.MSG_OOB)

    def urgent(self):
        """Return what overtook the rest."""
        return self.there.recv(1, socket.MSG_OOB).decode()

    def text(self):
        return self.there.recv(100).decode()

    def close(self):
        self.here.close()
        self.there.close()
