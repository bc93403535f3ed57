"""Classic BPF: the few instructions that a filter of system calls needs, put together from the inside out.

Source: Linux Documentation/networking/filter.rst; linux/bpf_common.h.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from runtime.errors import BackendError

KILL = 0x80000000  # linux/seccomp.h: SECCOMP_RET_KILL_PROCESS
ALLOW = 0x7FFF0000  # SECCOMP_RET_ALLOW
NOTIFY = 0x7FC00000  # SECCOMP_RET_USER_NOTIF
ERRNO = 0x00050000  # SECCOMP_RET_ERRNO
_ACTION = 0xFFFF0000  # SECCOMP_RET_ACTION_FULL

NUMBER = 0  # offsets in struct seccomp_data
ARCHITECTURE = 4
_ARGUMENTS = 16

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP = 0x05  # BPF_JMP | BPF_JA
_JUMP_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_JUMP_BITS = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_LONGEST_JUMP = 255
_LONGEST_PROGRAM = 4096  # BPF_MAXINSNS


class Instruction(NamedTuple):
    """``struct sock_filter``: jumps count the instructions that are skipped."""

    code: int
    if_true: int
    if_false: int
    value: int


def load(offset: int) -> list[Instruction]:
    """Load 32 bits of ``struct seccomp_data``."""
    return [Instruction(_LOAD, 0, 0, offset)]


def argument_low(index: int) -> int:
    """Return the offset of the low half of an argument, on a little-endian machine."""
    return _ARGUMENTS + 8 * index


def argument_high(index: int) -> int:
    """Return the offset of the high half of an argument."""
    return argument_low(index) + 4


def give(action: int) -> list[Instruction]:
    """End with an action."""
    return [Instruction(_RETURN, 0, 0, action)]


def fail(number: int) -> list[Instruction]:
    """End with an errno."""
    return give(ERRNO | number)


def jump_equal(value: int, code: list[Instruction], *, negate: bool = False) -> list[Instruction]:
    """Run ``code`` if what was loaded is ``value`` (or is not); else go on behind it."""
    return _guard(_JUMP_EQUAL, value, code, when=not negate)


def jump_if_any_bit(bits: int, code: list[Instruction]) -> list[Instruction]:
    """Run ``code`` if what was loaded has any of these bits; else go on behind it."""
    return _guard(_JUMP_BITS, bits, code, when=True)


def jump_at_least(value: int, code: list[Instruction]) -> list[Instruction]:
    """Run ``code`` if what was loaded is ``value`` or more; else go on behind it."""
    return _guard(_JUMP_AT_LEAST, value, code, when=True)


def jump_below(value: int, code: list[Instruction]) -> list[Instruction]:
    """Run ``code`` if what was loaded is less than ``value``; else go on behind it."""
    return _guard(_JUMP_AT_LEAST, value, code, when=False)


def mask(bits: int) -> list[Instruction]:
    """Keep these bits of what was loaded."""
    return [Instruction(_AND, 0, 0, bits)]


def search(answers: Mapping[int, tuple[Instruction, ...]], otherwise: list[Instruction]) -> list[Instruction]:
    """Run the code of the number that was loaded, by binary search, or ``otherwise``."""
    starts: list[tuple[int, tuple[Instruction, ...]]] = [(0, answers.get(0, tuple(otherwise)))]
    for number in range(1, max(answers) + 2):
        code = answers.get(number, tuple(otherwise))
        if code != starts[-1][1]:
            starts.append((number, code))
    return _tree(starts)


def assemble(code: list[Instruction]) -> bytes:
    """Return the bytes of a program, for a little-endian machine.

    Raises:
        BackendError: it is longer than the kernel takes.
    """
    if len(code) > _LONGEST_PROGRAM:
        raise BackendError(f"the filter has {len(code)} instructions; the kernel takes {_LONGEST_PROGRAM}")
    return b"".join(struct.pack("<HBBI", *each) for each in code)


def handed_on(code: list[Instruction]) -> list[Instruction]:
    """Return code that asks a listener where it would fail with an errno, and else decides alike."""
    return [each._replace(value=NOTIFY) if _fails(each) else each for each in code]


def disassemble(program: bytes) -> tuple[Instruction, ...]:
    """Return the instructions of a program."""
    return tuple(Instruction(*each) for each in struct.iter_unpack("<HBBI", program))


def decide(program: Sequence[Instruction], architecture: int, number: int, arguments: Sequence[int]) -> int:
    """Return what a program of this module's answers to a call, as the kernel would: an action and its data.

    Args:
        program: ends on every way, as the kernel has checked.
        architecture: as in ``struct seccomp_data``.
        number: of the call.
        arguments: its six registers.
    """
    data = struct.unpack("<16I", struct.pack("<IIQ6Q", number, architecture, 0, *arguments))
    loaded = at = 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        if code == _JUMP_AT_LEAST:
            at += if_true if loaded >= value else if_false
        elif code == _JUMP_EQUAL:
            at += if_true if loaded == value else if_false
        elif code == _LOAD:
            loaded = data[value // 4]
        elif code == _RETURN:
            return value
        elif code == _JUMP:
            at += value
        elif code == _JUMP_BITS:
            at += if_true if loaded & value else if_false
        else:
            loaded &= value  # _AND, the only one that is left


def _fails(instruction: Instruction) -> bool:
    return instruction.code == _RETURN and instruction.value & _ACTION == ERRNO


def _guard(jump: int, value: int, code: list[Instruction], *, when: bool) -> list[Instruction]:
    skip = len(code)
    if skip > _LONGEST_JUMP:
        raise BackendError(f"a branch of the filter has {skip} instructions; a jump reaches {_LONGEST_JUMP}")
    hops = (0, skip) if when else (skip, 0)
    return [Instruction(jump, *hops, value), *code]


def _tree(starts: list[tuple[int, tuple[Instruction, ...]]]) -> list[Instruction]:
    if len(starts) == 1:
        return list(starts[0][1])
    middle = len(starts) // 2
    low, high = _tree(starts[:middle]), _tree(starts[middle:])
    pivot = starts[middle][0]
    if len(low) <= _LONGEST_JUMP:
        return [Instruction(_JUMP_AT_LEAST, len(low), 0, pivot), *low, *high]
    return [Instruction(_JUMP_AT_LEAST, 0, 1, pivot), Instruction(_JUMP, 0, 0, len(low)), *low, *high]
