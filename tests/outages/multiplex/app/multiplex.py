"""Share one connection among many commands, by a socket in the file system.

Cockpit's tests named the socket after the machine: with a long host name, ssh said "unix_listener: path too long for
Unix domain socket" and was refused a connection.
"""

import os
import socket

FOLDER = "/tmp/.cockpit-test-resources"


def path():
    """Return where the socket of this machine is."""
    return f"{FOLDER}/ssh-{socket.gethostname()}-22-root-{os.getpid():07}.f7IbxcOE2A"


def share():
    """Listen on the socket, and return it."""
    os.makedirs(FOLDER, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path())
    return listener
