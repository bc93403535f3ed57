"""Keeps messages until they are acknowledged; writes off what is left at its end."""

import signal
import socket
import sys
import time

kept = set()


def write_off(*_):
    """Write off each message that is left, and end."""
    for _ in kept:
        time.sleep(0.4)
    sys.exit(0)


signal.signal(signal.SIGTERM, write_off)
with socket.create_server(("127.0.0.1", 7000)) as server:
    while True:
        with server.accept()[0] as peer:
            word, _, number = peer.makefile().readline().partition(" ")
            if word == "keep":
                kept.add(number)
            elif word == "done":
                kept.discard(number)
            peer.sendall(b"ok\n")
