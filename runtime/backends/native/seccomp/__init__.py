"""Compile a profile of system calls to the filter that the kernel runs; profiles and numbers are data beside this file.

A filter checks the architecture first and kills what calls through a foreign one, x32 included, which the kernel tells
apart by a bit of the number only. Calls that are unknown or newer than the profile fail with ENOSYS and not with EPERM,
so that libraries fall back as they would on an older kernel.

Source: Linux Documentation/userspace-api/seccomp_filter.rst; linux/seccomp.h, linux/filter.h.
"""

import errno
import json
import os
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from runtime.backends.native.seccomp.bpf import (
    ALLOW,
    ARCHITECTURE,
    KILL,
    NOTIFY,
    NUMBER,
    Instruction,
    argument_high,
    argument_low,
    assemble,
    fail,
    give,
    handed_on,
    jump_at_least,
    jump_equal,
    jump_if_any_bit,
    load,
    search,
)
from runtime.errors import BackendError
from runtime.plan import Denial

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h: AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64
_X32 = 0x40000000  # asm/unistd.h: __X32_SYSCALL_BIT
_NO_CALL = 0xFFFFFFFF  # what a tracer writes to skip a call


_ID_ARGUMENTS: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "chown": ((1,), (2,)),
    "fchown": ((1,), (2,)),
    "fchownat": ((2,), (3,)),
    "lchown": ((1,), (2,)),
    "setgid": ((), (0,)),
    "setregid": ((), (0, 1)),
    "setresgid": ((), (0, 1, 2)),
    "setresuid": ((0, 1, 2), ()),
    "setreuid": ((0, 1), ()),
    "setuid": ((0,), ()),
}
"""Which arguments of a call are users and which are groups."""

_UNCHANGED = 0xFFFFFFFF

QUIET = ("clone3",)
"""What a profile denies with ENOSYS and no listener hears of: every program with threads asks for it and goes on."""

DESTINATIONS: Mapping[str, int] = {"connect": 1, "sendto": 4}
"""Calls that name a destination → which argument points to it; its length is the next one.

``sendmsg`` and ``sendmmsg`` are left out: they name one in memory if at all, and carry streams more often.
"""


def compile_filter(
    profile: str,
    denials: tuple[Denial, ...],
    machine: str,
    *,
    only_ids: tuple[int, int] | None = None,
    is_heard: bool = False,
    with_destinations: bool = False,
    traced: Collection[str] = (),
    conditions: Mapping[str, tuple[int, int]] = MappingProxyType({}),
) -> bytes:
    """Return a filter as an array of ``struct sock_filter``.

    Args:
        profile: ``default`` or ``unconfined``.
        denials: are asked before the profile, in their order. A value below 2**32 is compared with the low half of the
            argument only, as the kernel takes an int (CVE-2019-7303). A call that this machine has not is left out.
        machine: ``x86_64`` or ``aarch64``, as uname says it.
        only_ids: the only user and group that are mapped. To name another one then fails with EPERM, as it does for a
            user without capabilities where that one is mapped, and not with the kernel's EINVAL.
        is_heard: hand on to a listener what the denials and the profile deny. Who answers as the filter without this
            decides changes nothing. Not handed on is ``QUIET``, nor what ``only_ids`` refuses, which stands for the
            kernel.
        with_destinations: hand on to it calls that name a destination, too.
        traced: hand on to it these calls, too, whatever comes of them; those that this machine has not are left out.
        conditions: of them, those that are handed on only if the low half of an argument (its index) has a value.

    Raises:
        BackendError: there is no such profile, machine or system call.
    """
    numbers = read_numbers()
    head = foreign_calls(machine)
    own = [line for each in denials for line in _deny(each, numbers, machine)]
    ids: list[Instruction] = []
    if only_ids is not None:
        ids = [line for name in _ID_ARGUMENTS for line in _deny_other_ids(name, only_ids, numbers[machine])]
    if is_heard:
        own = handed_on(own)
    asked = _destinations(numbers[machine]) if is_heard and with_destinations else []
    asked += _traced(traced, conditions, numbers[machine])
    return assemble([*head, *asked, *own, *ids, *_body(profile, numbers[machine], is_heard=is_heard)])


def foreign_calls(machine: str) -> list[Instruction]:
    """Kill what calls through an interface that is not the machine's own; else go on with the number loaded.

    Raises:
        BackendError: there is no such machine.
    """
    if machine not in ARCHITECTURES:
        raise BackendError(f"there is no table of system calls for {machine}; known are {', '.join(ARCHITECTURES)}")
    head = [*load(ARCHITECTURE), *jump_equal(ARCHITECTURES[machine], give(KILL), negate=True), *load(NUMBER)]
    if machine == "x86_64":
        head += jump_at_least(_X32, jump_equal(_NO_CALL, give(KILL), negate=True))
    return head


def read_numbers() -> Mapping[str, Mapping[str, int]]:
    """Return machine → name of a system call → its number."""
    found: Mapping[str, Mapping[str, int]] = _data("numbers.json")
    return found


def read_profile(name: str) -> Mapping[str, Any]:
    """Return a profile as data: ``allow``, ``refuse``, ``conditions``; what it does not name fails with ENOSYS.

    Raises:
        BackendError: there is no such profile.
    """
    if name != "default":
        raise _unknown(name)
    profile: Mapping[str, Any] = _data("default.json")
    return profile


def _unknown(profile: str) -> BackendError:
    return BackendError(f"there is no seccomp profile {profile!r}; known are default and unconfined")


def compile_notices(names: Collection[str], machine: str) -> tuple[bytes, Mapping[str, int]]:
    """Return a filter that hands some calls on to who listens and allows all others, and the calls' numbers.

    Args:
        names: of the calls; those that this machine has not are left out.
        machine: ``x86_64`` or ``aarch64``.

    Raises:
        BackendError: there is no such machine.
    """
    if machine not in ARCHITECTURES:
        raise BackendError(f"there is no table of system calls for {machine}; known are {', '.join(ARCHITECTURES)}")
    known = read_numbers()[machine]
    numbers = {name: known[name] for name in names if name in known}
    answers = {number: tuple(give(NOTIFY)) for number in numbers.values()}
    head = [*load(ARCHITECTURE), *jump_equal(ARCHITECTURES[machine], give(ALLOW), negate=True), *load(NUMBER)]
    return assemble([*head, *search(answers, give(ALLOW))]), numbers


def _body(profile: str, numbers: Mapping[str, int], *, is_heard: bool) -> list[Instruction]:
    match profile:
        case "unconfined":
            return give(ALLOW)
        case "default":
            answers, otherwise = _answers(read_profile(profile), numbers), fail(errno.ENOSYS)
            if is_heard:
                told = {number: tuple(handed_on([*code])) for number, code in answers.items()}
                answers = told | {numbers[name]: tuple(otherwise) for name in QUIET}
                otherwise = handed_on(otherwise)
            return search(answers, otherwise)
        case _:
            raise _unknown(profile)


def _answers(data: Mapping[str, Any], numbers: Mapping[str, int]) -> dict[int, tuple[Instruction, ...]]:
    """Return the code for each number that the profile names."""
    named: dict[str, list[Instruction]] = {name: give(ALLOW) for name in data["allow"]}
    named |= {name: fail(errno.EPERM) for name in data["refuse"]}
    named |= {name: _conditions(found) for name, found in data["conditions"].items()}
    return {numbers[name]: tuple(code) for name, code in named.items() if name in numbers}


def _destinations(numbers: Mapping[str, int]) -> list[Instruction]:
    """Hand on the calls that point to a destination; ``send`` is a ``sendto`` that points to none."""
    code: list[Instruction] = []
    for name, index in DESTINATIONS.items():
        halves = (argument_low(index), argument_high(index))
        points = [line for half in halves for line in (*load(half), *jump_equal(0, give(NOTIFY), negate=True))]
        code += jump_equal(numbers[name], [*points, *load(NUMBER)])
    return code


def _traced(
    names: Collection[str], conditions: Mapping[str, tuple[int, int]], numbers: Mapping[str, int]
) -> list[Instruction]:
    """Hand on calls, each of them or under a condition."""
    code: list[Instruction] = []
    for name in sorted(numbers.keys() & set(names)):
        told = give(NOTIFY)
        if name in conditions:
            index, value = conditions[name]
            told = [*load(argument_low(index)), *jump_equal(value, told), *load(NUMBER)]
        code += jump_equal(numbers[name], told)
    return code


def _conditions(rules: list[dict[str, Any]]) -> list[Instruction]:
    code: list[Instruction] = []
    for rule in rules:
        code += load(argument_low(rule["argument"]))
        failure = fail(rule["errno"])
        if "any-bit-of" in rule:
            code += jump_if_any_bit(rule["any-bit-of"], failure)
        for value in rule.get("one-of", ()):
            code += jump_equal(value, failure)
        if "none-of" in rule:
            for value in rule["none-of"]:
                code += jump_equal(value, give(ALLOW))
            code += failure
    return [*code, *give(ALLOW)] if "none-of" not in rules[-1] else code


def _deny(denial: Denial, numbers: Mapping[str, Mapping[str, int]], machine: str) -> list[Instruction]:
    if not any(denial.syscall in table for table in numbers.values()):
        raise BackendError(f"there is no system call {denial.syscall!r} to deny")
    if denial.syscall not in numbers[machine]:
        return []
    code = fail(denial.errno)
    for index, value in sorted(denial.arguments.items(), reverse=True):
        code = [*load(argument_low(index)), *jump_equal(value & 0xFFFFFFFF, code)]
        if value >> 32:
            code = [*load(argument_high(index)), *jump_equal(value >> 32, code)]
    again = load(NUMBER) if denial.arguments else []
    return [*jump_equal(numbers[machine][denial.syscall], code), *again]


def _deny_other_ids(name: str, only: tuple[int, int], numbers: Mapping[str, int]) -> list[Instruction]:
    if name not in numbers:
        return []
    refused = fail(errno.EPERM)
    code = [
        line
        for own, indices in zip(only, _ID_ARGUMENTS[name], strict=True)
        for index in indices
        for line in (
            *load(argument_low(index)),
            *jump_equal(own, jump_equal(_UNCHANGED, refused, negate=True), negate=True),
        )
    ]
    return [*jump_equal(numbers[name], code), *load(NUMBER)]


def _data(name: str) -> Any:  # noqa: ANN401 - as json has it
    # Not by importlib.resources, whose modules take longer to load than a filter to compile.
    with open(f"{os.path.dirname(__file__)}/{name}", encoding="utf-8") as file:  # noqa: PTH120, PTH123 - likewise
        return json.load(file)
