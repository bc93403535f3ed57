"""Ask whether a service of this container is alive.

Docker had no ::1 in containers without IPv6, while /etc/hosts named it for localhost: clients that take the first
address, or that of IPv6, could not connect to the container they run in.
"""

import contextlib
import socket


def serve(stack):
    """Listen on both families where there are both, and return the port."""
    family = socket.AF_INET
    with contextlib.suppress(OSError):
        socket.socket(socket.AF_INET6).close()
        family = socket.AF_INET6
    address = ("::" if family == socket.AF_INET6 else "0.0.0.0", 0)
    server = stack.enter_context(socket.create_server(address, family=family, dualstack_ipv6=family == socket.AF_INET6))
    return server.getsockname()[1]


def is_alive(port):
    """Connect to localhost, by its modern address."""
    family, kind, protocol, _, address = socket.getaddrinfo("localhost", port, socket.AF_INET6, socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as client:
        client.settimeout(5)
        client.connect(address)
    return True
