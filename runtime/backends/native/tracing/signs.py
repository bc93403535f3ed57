"""How a call is told: as a sign, from its registers and from what they point to.

Source: open(2), socket(2), ip(7), ioctl_tty(2), clone(2).
"""

import os
import struct
from collections.abc import Sequence
from typing import Protocol

from runtime.backends.native.tracing import calls
from runtime.trace import MOST_TEXT

_PORT = struct.Struct("=H2s4s")  # the beginning of struct sockaddr_in and sockaddr_in6, enough to tell what they are
_ADDRESS = 28  # struct sockaddr_in6
_FAMILIES = {1: "unix", 2: "inet", 10: "inet6", 16: "netlink", 17: "packet"}  # linux/socket.h: AF_
_TYPES = {1: "stream", 2: "datagram", 3: "raw"}  # SOCK_STREAM, SOCK_DGRAM, SOCK_RAW
_TYPE = 0xF  # SOCK_TYPE_MASK
_THREAD = 0x10000  # CLONE_THREAD
_REQUESTS = {0x5401: "terminal", 0x5413: "terminal-size"}  # TCGETS, TIOCGWINSZ
_STANDARD = 2
"""The last of the standard streams: of a file, libraries ask whether it is a terminal each time that they open one."""
_LOW_PORTS = 1024
_LOOPBACK = 127


class Memory(Protocol):
    """The memory of who calls."""

    def read(self, pid: int, address: int, size: int) -> bytes:
        """Return bytes at an address, fewer where the memory ends."""

    def text(self, pid: int, address: int) -> bytes:
        """Return the bytes at an address up to a NUL."""


def path_of(name: str, pid: int, arguments: Sequence[int], memory: Memory) -> bytes | None:
    """Return the path that a call names; None for a call that names none."""
    index = calls.OPENS.get(name, calls.PATHS.get(name, ("", -1))[1])
    return memory.text(pid, arguments[index]) if index >= 0 else None


def sign_of(name: str, pid: int, arguments: Sequence[int], memory: Memory, path: str) -> str:
    """Return how a call is told; empty where there is nothing to tell.

    Args:
        name: of the call.
        pid: of who calls.
        arguments: the registers.
        memory: of who calls.
        path: the place of the path that the call names, if it names one.
    """
    if name in calls.OPENS:
        return f"{_opening(arguments[calls.OPENS[name] + 1])} {path}"[:MOST_TEXT]
    if name in calls.PATHS:
        return f"{calls.PATHS[name][0]} {path}"[:MOST_TEXT]
    if name in calls.ADDRESSES:
        verb, index = calls.ADDRESSES[name]
        told = _address(memory.read(pid, arguments[index], min(arguments[index + 1] & 0xFFFF, _ADDRESS)))
        return f"{verb} {told}" if told else ""
    if name in calls.VALUES:
        verb, index = calls.VALUES[name]
        is_question = (
            name == calls.SIGNAL and not arguments[1]
        )  # what the action is, as interpreters ask of each signal
        return "" if is_question else f"{verb} {arguments[index] & 0xFFFFFFFF}"
    return _of_its_own(name, arguments)


def _of_its_own(name: str, arguments: Sequence[int]) -> str:
    match name:
        case calls.CLONE:
            return "starts thread" if arguments[0] & _THREAD else "starts process"
        case calls.SOCKET:
            family, kind = arguments[0] & 0xFFFFFFFF, arguments[1] & _TYPE
            return f"socket {_FAMILIES.get(family, family)} {_TYPES.get(kind, kind)}"
        case calls.TERMINAL:
            request = _REQUESTS.get(arguments[1] & 0xFFFFFFFF)
            return f"asks {request}" if request and arguments[0] & 0xFFFFFFFF <= _STANDARD else ""
        case calls.READ:
            return "reads stdin"
        case _:
            return f"calls {name}"


def _opening(flags: int) -> str:
    """Return the verb of an open: the flags that differ between architectures are those of this machine's headers."""
    if flags & os.O_CREAT:
        return "makes"
    if flags & os.O_DIRECTORY:
        return "lists"
    return "writes" if flags & (os.O_WRONLY | os.O_RDWR) else "opens"


def _address(raw: bytes) -> str:
    """Return the family, whether the address is the machine's own, and which port; empty where there is none."""
    if len(raw) < 2:
        return ""
    family = struct.unpack_from("=H", raw)[0]
    if family not in (2, 10) or len(raw) < _PORT.size:
        return str(_FAMILIES.get(family, family))
    port = int.from_bytes(raw[2:4], "big")
    address = raw[4:8] if family == 2 else raw[8:24]
    return f"{_FAMILIES[family]} {_reach(address)} {_port(port)}"


def _reach(address: bytes) -> str:
    if not any(address):
        return "any"
    is_own = address[0] == _LOOPBACK if len(address) == 4 else int.from_bytes(address, "big") == 1
    return "loopback" if is_own else "elsewhere"


def _port(port: int) -> str:
    if port in (0, 53):
        return str(port)
    return "low" if port < _LOW_PORTS else "high"
