"""What the client and the guest tell each other: frames of a JSON head and bytes, over one serial port.

The client trusts nothing that comes out of the machine: what the guest says is JSON, checked when it is read. Orders go
the other way, to the same program in the guest, and hold pickled plans.

An answer says what it is, which run it is about, and what its bytes are::

    {"what": "hello", "about": 0, …}               the guest is there
    {"what": "out" | "err", "about": 3}            bytes of a stream, as they come
    {"what": "ended", "about": 3, "outcome": …}    the kept bytes of both streams, then the results
    {"what": "failed", "about": 3, "message": …, "hint": …}
"""

import json
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

from runtime.canonical import Json, to_canonical_json
from runtime.data import dataclass, replace
from runtime.digest import Digest
from runtime.errors import SeatrialError
from runtime.outcome import Calls, Ending, Evidence, Fidelity, Limit, Network, Outcome, Resources, Stream
from runtime.plan import to_json

HEAD = struct.Struct("!II")

MOST_TEXT = 64 << 20
MOST_BYTES = 256 << 20


class MessageError(Exception):
    """What came out of a machine cannot be understood."""


@dataclass(frozen=True, slots=True)
class Message:
    """A frame.

    Args:
        head: what it says.
        body: the bytes that belong to it.
    """

    head: Mapping[str, Any]
    body: bytes = b""


def frame(message: Message) -> bytes:
    """Return the bytes of a message."""
    head = json.dumps(dict(message.head)).encode()
    return HEAD.pack(len(head), len(message.body)) + head + message.body


def read_frame(read: Callable[[int], bytes]) -> Message:
    """Return the next message.

    Args:
        read: returns as many bytes as it is asked for, fewer at the end only.

    Raises:
        EOFError: the other end is gone.
        MessageError: this is no message.
    """
    raw = read(HEAD.size)
    if len(raw) < HEAD.size:
        raise EOFError
    text, body = HEAD.unpack(raw)
    if text > MOST_TEXT or body > MOST_BYTES:
        raise MessageError(f"a message of {text} and {body} bytes")
    content, rest = read(text), read(body)
    if len(content) + len(rest) < text + body:
        raise EOFError
    try:
        head = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"no JSON: {content[:80]!r}") from error
    if not isinstance(head, dict):
        raise MessageError(f"no object: {content[:80]!r}")
    return Message(head, rest)


def of_outcome(number: int, outcome: Outcome) -> Message:
    """Return the message that brings an outcome: as JSON, but for what can be long."""
    streams = (outcome.stdout, outcome.stderr)
    short = replace(
        outcome, stdout=replace(streams[0], content=b""), stderr=replace(streams[1], content=b""), results=None
    )
    kept = [len(each.content) for each in streams]
    told = {**cast("Mapping[str, Json]", to_json(short)), "resources": outcome.resources.to_json()}
    head = {"what": "ended", "about": number, "kept": kept, "has_results": outcome.results is not None, "outcome": told}
    return Message(head, b"".join(each.content for each in streams) + (outcome.results or b""))


def to_outcome(message: Message) -> Outcome:
    """Return the outcome that a message brings.

    Raises:
        MessageError: it brings none.
    """
    try:
        said = message.head["outcome"]
        out, err = map(int, message.head["kept"])
        to_canonical_json(said["sandbox"])
        return Outcome(
            exit_code=_number_or_none(said["exit_code"]),
            signal=_number_or_none(said["signal"]),
            limit=Limit(said["limit"]) if said["limit"] else None,
            stdout=_stream(said["stdout"], message.body[:out]),
            stderr=_stream(said["stderr"], message.body[out : out + err]),
            results=message.body[out + err :] if message.head["has_results"] else None,
            artifacts=MappingProxyType({str(path): Digest(text) for path, text in said["artifacts"].items()}),
            texts=MappingProxyType({str(path): str(text) for path, text in said["texts"].items()}),
            changed=tuple(map(str, said["changed"])),
            resources=Resources.from_json(said["resources"]),
            evidence=MappingProxyType({str(name): _evidence(each) for name, each in said["evidence"].items()}),
            ambient=MappingProxyType({str(name): str(value) for name, value in said["ambient"].items()}),
            sandbox=MappingProxyType(dict(said["sandbox"].items())),
            calls=Calls.from_json(said["calls"]) if said["calls"] is not None else None,
            network=Network.from_json(said["network"]) if said["network"] is not None else None,
            shutdown=tuple(map(Ending.from_json, said["shutdown"])) if said["shutdown"] is not None else None,
            duration=int(said["duration"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, SeatrialError) as error:
        raise MessageError(f"an outcome that cannot be read: {type(error).__name__}: {error}") from error


def _stream(said: Mapping[str, Any], content: bytes) -> Stream:
    return Stream(content=content, size=int(said["size"]), digest=Digest(said["digest"]))


def _evidence(said: Mapping[str, Any]) -> Evidence:
    return Evidence(found=str(said["found"]), holds=said["holds"] is True, fidelity=Fidelity(said["fidelity"]))


def _number_or_none(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no number")
    return int(value)
