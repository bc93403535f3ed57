"""Serve visitors by both versions of IP."""

import ipaddress
import socket


def has_six():
    """Say whether this machine has an address of IPv6."""
    with socket.socket(socket.AF_INET6) as tried:
        try:
            tried.bind(("::1", 0))
        except OSError:
            return False
    return True


def families():
    """Return what is listened on, the newer first."""
    return ["IPv6", "IPv4"] if has_six() else ["IPv4"]


def network(visitor):
    """Return the network of a visitor, to count by."""
    bits = 48 if ":" in visitor else 24
    return str(ipaddress.ip_network(f"{visitor}/{bits}", strict=False))
