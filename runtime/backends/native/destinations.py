"""To whom a call would speak: the destination that it points to, read from the memory of its caller.

Source: ip(7), ipv6(7); process_vm_readv(2).
"""

import ctypes
import socket
import struct

from runtime.backends.native.syscalls import call

_INET = struct.Struct("=H2s4s")  # struct sockaddr_in: family, port, address
_INET6 = struct.Struct("=H2s4s16s")  # struct sockaddr_in6: a flow label before the address
_AF_INET, _AF_INET6 = 2, 10  # linux/socket.h
_NAME_SERVER = 53
_MAPPED = bytes(10) + b"\xff\xff"  # RFC 4291, 2.5.5.2: an IPv4 address as IPv6 writes it
_LOOPBACK = 127


def read_destination(pid: int, address: int, length: int) -> bytes:
    """Return the beginning of a ``struct sockaddr``, as far as an address of IP reaches.

    It may have been changed when the kernel reads it: to be told, never to decide by.

    Raises:
        OSError: there is nothing to read, or this user may not read it.
    """
    size = min(length, _INET6.size)
    buffer = ctypes.create_string_buffer(size)
    ours, theirs = struct.pack("=QQ", ctypes.addressof(buffer), size), struct.pack("=QQ", address, size)
    count = call("process_vm_readv", pid, ours, 1, theirs, 1, 0)
    return buffer.raw[:count]


def parse_destination(raw: bytes) -> tuple[str, int] | None:
    """Return address and port; None where that is no attempt to reach what is beyond the loopback interface.

    A name server is always one: on a host without any, 127.0.0.1 stands for it.
    """
    if len(raw) < 2:
        return None
    family = struct.unpack_from("=H", raw)[0]
    if family == _AF_INET and len(raw) >= _INET.size:
        _, port, address = _INET.unpack_from(raw)
    elif family == _AF_INET6 and len(raw) >= _INET6.size:
        _, port, _, address = _INET6.unpack_from(raw)
        address = address.removeprefix(_MAPPED)
    else:
        return None
    number = int.from_bytes(port, "big")
    if _is_own(address) and number != _NAME_SERVER:
        return None
    return socket.inet_ntop(_AF_INET if len(address) == 4 else _AF_INET6, address), number


def _is_own(address: bytes) -> bool:
    """Tell whether an address is the machine's own: the unspecified one means the loopback interface."""
    if len(address) == 4:
        return address[0] == _LOOPBACK or not any(address)
    return int.from_bytes(address, "big") <= 1
