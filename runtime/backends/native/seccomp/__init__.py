"""Compile a profile of system calls to the filter that the kernel runs; profiles and numbers are data beside this file.

A filter checks the architecture first and kills what calls through a foreign one. Calls that are unknown or newer than
the profile fail with ENOSYS and not with EPERM, so that libraries fall back as they would on an older kernel.

Source: Linux Documentation/userspace-api/seccomp_filter.rst; linux/seccomp.h, linux/filter.h.
"""

import errno
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from runtime.backends.native.seccomp.bpf import (
    ALLOW,
    ARCHITECTURE,
    KILL,
    NUMBER,
    Instruction,
    argument_high,
    argument_low,
    assemble,
    fail,
    give,
    jump_equal,
    jump_if_any_bit,
    load,
    search,
)
from runtime.errors import BackendError
from runtime.plan import Denial

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h: AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64


def compile_filter(profile: str, denials: tuple[Denial, ...], machine: str) -> bytes:
    """Return a filter as an array of ``struct sock_filter``.

    Args:
        profile: ``default`` or ``unconfined``.
        denials: are asked before the profile, in their order. A value below 2**32 is compared with the low half of the
            argument only, as the kernel takes an int (CVE-2019-7303). A call that this machine has not is left out.
        machine: ``x86_64`` or ``aarch64``, as uname says it.

    Raises:
        BackendError: there is no such profile, machine or system call.
    """
    if machine not in _ARCHITECTURES:
        raise BackendError(f"there is no table of system calls for {machine}; known are {', '.join(_ARCHITECTURES)}")
    numbers = _numbers()
    head = [*load(ARCHITECTURE), *jump_equal(_ARCHITECTURES[machine], give(KILL), negate=True), *load(NUMBER)]
    own = [line for each in denials for line in _deny(each, numbers, machine)]
    return assemble([*head, *own, *_body(profile, numbers[machine])])


def _body(profile: str, numbers: Mapping[str, int]) -> list[Instruction]:
    match profile:
        case "unconfined":
            return give(ALLOW)
        case "default":
            return search(_answers(_data("default.json"), numbers), fail(errno.ENOSYS))
        case _:
            raise BackendError(f"there is no seccomp profile {profile!r}; known are default and unconfined")


def _answers(data: Mapping[str, Any], numbers: Mapping[str, int]) -> dict[int, tuple[Instruction, ...]]:
    """Return the code for each number that the profile names."""
    named: dict[str, list[Instruction]] = {name: give(ALLOW) for name in data["allow"]}
    named |= {name: fail(errno.EPERM) for name in data["refuse"]}
    named |= {name: _conditions(found) for name, found in data["conditions"].items()}
    return {numbers[name]: tuple(code) for name, code in named.items() if name in numbers}


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


def _numbers() -> Mapping[str, Mapping[str, int]]:
    found: Mapping[str, Mapping[str, int]] = _data("numbers.json")
    return found


def _data(name: str) -> Any:  # noqa: ANN401 - as json has it
    return json.loads(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))
