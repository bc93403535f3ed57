"""Messages between the client and the warm process: pickled values with open descriptors beside them.

Both ends are the same program under the same user, joined by a socket that nobody else has.
"""

import io
import json
import os
import pickle
import socket
import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

_HEAD = struct.Struct("!Q")
_MOST_DESCRIPTORS = 250  # SCM_MAX_FD of the kernel is 253
_LARGEST_PACKET = 1 << 18
_MSG_CMSG_CLOEXEC = 0x40000000  # linux/socket.h


def packed(message: object) -> bytes:
    """Return a message as bytes that ``pickle.loads`` reads."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL)
    # Plans hold read-only mappings, which the standard pickler does not know.
    pickler.dispatch_table = {MappingProxyType: lambda mapping: (_read_only, (dict(mapping),))}
    pickler.dump(message)
    return buffer.getvalue()


def send(connection: socket.socket, message: object, descriptors: Sequence[int] = ()) -> None:
    """Send a message; the descriptors arrive as copies of their own."""
    content = packed(message)
    rights = struct.pack(f"{len(descriptors)}i", *descriptors)
    beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if descriptors else []
    connection.sendmsg([_HEAD.pack(len(content))], beside)
    connection.sendall(content)


def receive(connection: socket.socket) -> tuple[Any, list[int]]:
    """Wait for the next message and its descriptors.

    Raises:
        EOFError: the other end is gone.
    """
    head, descriptors = receive_raw(connection, _HEAD.size)
    try:
        return pickle.loads(_receive_body(connection, head)), descriptors  # noqa: S301 - see above: one program, one user
    except BaseException:
        for each in descriptors:  # of a message whose end will never come
            os.close(each)
        raise


def _read_only(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)


def _receive_body(connection: socket.socket, head: bytes) -> bytes:
    if len(head) < _HEAD.size:
        raise EOFError
    missing = _HEAD.unpack(head)[0]
    parts = []
    while missing:
        part = connection.recv(min(missing, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def send_json(connection: socket.socket, message: Mapping[str, object], descriptors: Sequence[int] = ()) -> None:
    """Send one packet from a run to the warm process: JSON, as a run is not trusted as far as pickles go."""
    rights = struct.pack(f"{len(descriptors)}i", *descriptors)
    beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if descriptors else []
    connection.sendmsg([json.dumps(message).encode()], beside)


def receive_json(connection: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """Receive one packet; None at the end.

    Raises:
        BlockingIOError: there is none yet.
    """
    content, descriptors = receive_raw(connection, _LARGEST_PACKET)
    return (json.loads(content) if content else None), descriptors


def receive_raw(connection: socket.socket, size: int) -> tuple[bytes, list[int]]:
    """Receive up to ``size`` bytes and the descriptors beside them, closed on exec; nothing at the end."""
    space = socket.CMSG_SPACE(4 * _MOST_DESCRIPTORS)
    try:
        content, beside, _, _ = connection.recvmsg(size, space, _MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return b"", []
    descriptors: list[int] = []
    for level, kind, raw in beside:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.extend(struct.unpack(f"{len(raw) // 4}i", raw[: len(raw) // 4 * 4]))
    return content, descriptors
