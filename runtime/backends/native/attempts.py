"""Attempts of a run to reach beyond itself, as its own network namespace tells them: nothing stands in their way.

Two things are opened before the program starts and read when it has ended: the counters of the namespace, and a raw
socket, which gets a copy of every datagram that a name server would get.

Source: raw(7); proc_net(5), RFC 4293 for the counters (``ipIfStatsOutNoRoutes``); linux/filter.h.
"""

import ctypes
import os
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

from runtime.backends.native.lookups import parse_lookup
from runtime.outcome import Lookup, Network

MOST_NAMES = 64
"""Different names that are told of one run."""

_MOST_PACKETS = 1024  # more than the socket's buffer of 208 KiB holds
_PACKET = 512  # RFC 1035, 4.2.1: what a question over UDP may have
_COUNTERS = ("/proc/self/net/snmp", "/proc/self/net/snmp6")
_MOST_TEXT = 1 << 15
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_NAME_SERVER = 53
_TO_NAME_SERVER = (
    (0xB1, 0, 0, 0),  # BPF_LDX | BPF_B | BPF_MSH: the length of the head of IP
    (0x48, 0, 0, 2),  # BPF_LD | BPF_H | BPF_IND: the port behind it
    (0x15, 0, 1, _NAME_SERVER),  # BPF_JMP | BPF_JEQ | BPF_K
    (0x06, 0, 0, 0xFFFF),  # BPF_RET: all of it
    (0x06, 0, 0, 0),  # nothing
)


def open_watch() -> list[int]:
    """Return what ``read_attempts`` reads: a raw socket, then the counters. For root inside, in the run's network."""
    opened = [_raw_socket()]
    for each in _COUNTERS:
        with suppress(FileNotFoundError):  # a kernel without IPv6
            opened.append(os.open(each, os.O_RDONLY | os.O_CLOEXEC))
    return opened


def read_attempts(watch: list[int]) -> Network:
    """Return what a run has attempted; its processes have ended.

    Args:
        watch: from ``open_watch``.
    """
    listening, *counters = watch
    names: Counter[str] = Counter()
    for packet in _packets(listening):
        name = parse_lookup(packet)
        if name is not None and (name in names or len(names) < MOST_NAMES):
            names[name] += 1
    texts = [os.pread(each, _MOST_TEXT, 0).decode("ascii", "replace") for each in counters]
    return Network(
        lookups=tuple(Lookup(name=name, count=count) for name, count in sorted(names.items())),
        unroutable=sum(map(parse_unroutable, texts)),
    )


def parse_unroutable(text: str) -> int:
    """Return how often a packet had no route, of what /proc/net/snmp or /proc/net/snmp6 says; 0 where it does not."""
    rows = [line.split() for line in text.splitlines()]
    for names, values in pairwise(rows):
        if names[:1] == values[:1] == ["Ip:"]:
            return int(dict(zip(names, values, strict=False)).get("OutNoRoutes", 0))
    return next((int(row[1]) for row in rows if row[:1] == ["Ip6OutNoRoutes"]), 0)


def _packets(raw: int) -> Iterator[bytes]:
    for _ in range(_MOST_PACKETS):
        try:
            yield os.read(raw, _PACKET)
        except BlockingIOError:
            return
        except OSError:
            continue  # an error that a packet met on its way


def _raw_socket() -> int:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    raw = socket.socket(socket.AF_INET, kind, socket.IPPROTO_UDP)
    code = b"".join(struct.pack("=HBBI", *each) for each in _TO_NAME_SERVER)
    buffer = ctypes.create_string_buffer(code, len(code))
    place = ctypes.addressof(buffer)
    raw.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HxxxxxxP", len(_TO_NAME_SERVER), place))
    return raw.detach()
