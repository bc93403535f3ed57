"""A console in the browser, for IPv6 and, by the same socket, for IPv4.

The user interface of OpenCost listened on [::]:9096 and nothing else. In a cluster whose kernels have no IPv6 that is
"97: Address family not supported by protocol", and the pod never comes up.
"""

import socket


def listen():
    """Return a socket that takes connections of both families, and its port."""
    server = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return server, server.getsockname()[1]
