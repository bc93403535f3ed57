"""Sends messages, and acknowledges them by threads of its own."""

import os
import socket
import threading


def say(line):
    """Say a line to the sink, and return its answer."""
    with socket.create_connection(("sink", 7000)) as peer:
        peer.sendall(f"{line}\n".encode())
        return peer.makefile().readline()


def send(numbers):
    """Send messages of these numbers, and have them acknowledged as far as there is anybody to do so."""
    for each in numbers:
        say(f"keep {each}")
    threads = [
        threading.Thread(target=lambda: [say(f"done {each}") for each in numbers]) for _ in range(os.cpu_count() - 1)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
