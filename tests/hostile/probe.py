"""Programs of a few system calls, as whole ELF files written by hand: a crafted image needs no compiler and no libc."""

import struct
from dataclasses import dataclass

BASE = 0x400000
EXIT_GROUP, WRITE = 231, 1
INT80 = "int 0x80"

# How a register gets a constant, and how it gets rax; in the order of the arguments of a system call.
CONSTANT = (b"\x48\xbf", b"\x48\xbe", b"\x48\xba", b"\x49\xba", b"\x49\xb8", b"\x49\xb9")
COPY = (b"\x48\x89\xc7", b"\x48\x89\xc6", b"\x48\x89\xc2", b"\x49\x89\xc2", b"\x49\x89\xc0", b"\x49\x89\xc1")


@dataclass(frozen=True)
class Result:
    """What an earlier call of the same program returned, as an argument."""

    index: int


def probe(*calls) -> bytes:
    """Return a program for x86_64 that makes calls and writes what each returned to stdout, 8 bytes each.

    Args:
        calls: ``(number, argument, …)``; bytes are passed by address. A first element INT80 makes the call that 32-bit
            programs make.
    """
    blank = _code(calls, [0] * 64, 0)
    places, data, start = [], b"", BASE + 120 + len(blank)
    for each in (argument for call in calls for argument in call if isinstance(argument, bytes)):
        places.append(start + len(data))
        data += each + b"\0" * (16 - len(each) % 8)
    results = start + len(data)
    code = _code(calls, places, results) + data + bytes(8 * len(calls))
    assert len(code) == len(blank) + len(data) + 8 * len(calls)
    return _elf64(code)


def results(stdout: bytes) -> tuple[int, ...]:
    """Return what the calls of a probe returned; errors are negative."""
    return struct.unpack(f"<{len(stdout) // 8}q", stdout)


def program_of_32_bits(code: int) -> bytes:
    """Return a program for i386 that exits with a code."""
    text = b"\xb8\x01\0\0\0\xbb" + struct.pack("<I", code) + b"\xcd\x80"
    base, start = 0x08048000, 84
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    header = struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + start, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    segment = struct.pack("<8I", 1, 0, base, base, start + len(text), start + len(text), 5, 0x1000)
    return ident + header + segment + text


def _code(calls, places, results_at) -> bytes:
    remaining = iter(places)
    text = b""
    for index, (number, *arguments) in enumerate(calls):
        store = b"\x48\xa3" + struct.pack("<Q", results_at + 8 * index)
        if number == INT80:
            text += b"\xb8" + struct.pack("<I", arguments[0]) + b"\xcd\x80" + store
            continue
        for position, argument in enumerate(arguments):
            match argument:
                case Result(index=earlier):
                    text += b"\x48\xa1" + struct.pack("<Q", results_at + 8 * earlier) + COPY[position]
                case bytes():
                    text += CONSTANT[position] + struct.pack("<Q", next(remaining))
                case _:
                    text += CONSTANT[position] + struct.pack("<Q", argument & (1 << 64) - 1)
        text += _system_call(number) + store
    text += CONSTANT[0] + struct.pack("<Q", 1) + CONSTANT[1] + struct.pack("<Q", results_at)
    text += CONSTANT[2] + struct.pack("<Q", 8 * len(calls)) + _system_call(WRITE)
    return text + CONSTANT[0] + bytes(8) + _system_call(EXIT_GROUP)


def _system_call(number: int) -> bytes:
    return b"\x48\xb8" + struct.pack("<Q", number & (1 << 64) - 1) + b"\x0f\x05"


def _elf64(content: bytes) -> bytes:
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, BASE + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    size = 120 + len(content)
    segment = struct.pack("<IIQQQQQQ", 1, 7, 0, BASE, BASE, size, size, 0x1000)
    return ident + header + segment + content
