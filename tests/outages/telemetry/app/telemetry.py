"""Say where measurements come from.

Kamon asked for the address of its own host when it was initialized: where the container's name is in no DNS and in no
hosts file, that is an UnknownHostException, and the application with it does not start.
"""

import socket


def origin():
    """Return name and address of this host."""
    name = socket.gethostname()
    return name, socket.gethostbyname(name)
