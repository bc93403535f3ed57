"""Compile the filter of system calls that a bundle brings along, as libseccomp would.

Source: OCI runtime specification, config-linux.md, "Seccomp"; seccomp_rule_add(3).
"""

import errno
from types import MappingProxyType

from runtime.backends.native.bundle.refusals import BundleRefusedError, Refused
from runtime.backends.native.seccomp import foreign_calls, read_numbers
from runtime.backends.native.seccomp.bpf import (
    ALLOW,
    KILL,
    Instruction,
    argument_high,
    argument_low,
    assemble,
    fail,
    give,
    jump_at_least,
    jump_below,
    jump_equal,
    load,
    mask,
    search,
)
from runtime.canonical import Json
from runtime.oci.document import integer, items, member, text, texts

# linux/seccomp.h
_ACTIONS = MappingProxyType(
    {
        "SCMP_ACT_KILL": 0,
        "SCMP_ACT_KILL_THREAD": 0,
        "SCMP_ACT_KILL_PROCESS": KILL,
        "SCMP_ACT_TRAP": 0x00030000,
        "SCMP_ACT_LOG": 0x7FFC0000,
        "SCMP_ACT_ALLOW": ALLOW,
    }
)
_HALF = 0xFFFFFFFF
_MOST = 2**64 - 1
# Neither changes what is decided: one logs, the other speeds up.
_FLAGS = frozenset({"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"})


def compile_bundle_filter(seccomp: Json, machine: str) -> bytes:
    """Return the filter of a bundle as an array of ``struct sock_filter``.

    Args:
        seccomp: the document's ``linux.seccomp``. Names that this machine has not are left out, as the specification
            says.
        machine: ``x86_64`` or ``aarch64``, as uname says it.

    Raises:
        RefusedError: a value has another type than the specification says.
        BundleRefusedError: it asks for something that is refused.
    """
    _refuse(seccomp)
    numbers = read_numbers().get(machine, {})
    otherwise = _action(seccomp, "defaultAction", "defaultErrnoRet")
    rules: dict[int, list[list[Instruction]]] = {}
    always: dict[int, list[Instruction]] = {}
    for each in items(member(seccomp, "syscalls", "linux.seccomp"), "linux.seccomp.syscalls"):
        action = _action(each, "action", "errnoRet")
        arguments = items(member(each, "args", "a rule"), "the arguments of a rule")
        for name in texts(member(each, "names", "a rule"), "the names of a rule"):
            if name not in numbers:
                continue
            if arguments:
                rules.setdefault(numbers[name], []).append(_conditions(arguments, action))
            else:
                always.setdefault(numbers[name], action)
    answers = {
        number: tuple(always.get(number) or [line for rule in rules[number] for line in rule] + otherwise)
        for number in rules.keys() | always.keys()
    }
    head = foreign_calls(machine)
    return assemble([*head, *(search(answers, otherwise) if answers else otherwise)])


def _refuse(seccomp: Json) -> None:
    if member(seccomp, "listenerPath", "linux.seccomp"):
        raise BundleRefusedError(Refused.SECCOMP_LISTENER, "it has linux.seccomp.listenerPath")
    for each in texts(member(seccomp, "flags", "linux.seccomp"), "linux.seccomp.flags"):
        if each not in _FLAGS:
            raise BundleRefusedError(Refused.SECCOMP_RULE, f"linux.seccomp.flags has {each[:60]!r}")


def _action(value: Json, key: str, number_key: str) -> list[Instruction]:
    name = text(member(value, key, "linux.seccomp"), f"linux.seccomp, {key}")
    if name == "SCMP_ACT_ERRNO":
        number = member(value, number_key, "linux.seccomp")
        return fail(errno.EPERM if number is None else integer(number, number_key) & 0xFFF)
    if name not in _ACTIONS:
        raise BundleRefusedError(Refused.SECCOMP_ACTION, f"linux.seccomp has the action {name[:40]!r}")
    return give(_ACTIONS[name])


def _conditions(arguments: tuple[Json, ...], action: list[Instruction]) -> list[Instruction]:
    code = action
    for each in reversed(arguments):
        index = integer(member(each, "index", "a rule"), "the index of an argument")
        values = [_number(member(each, key, "a rule")) for key in ("value", "valueTwo")]
        operator = text(member(each, "op", "a rule"), "the operator of a rule")
        if not 0 <= index < 6:
            raise BundleRefusedError(Refused.SECCOMP_RULE, f"linux.seccomp has a rule for argument {index}")
        code = _condition(index, operator, values[0], values[1], code)
    return code


def _condition(  # noqa: PLR0911 - one row an operator
    index: int, operator: str, value: int, second: int, code: list[Instruction]
) -> list[Instruction]:
    match operator:
        case "SCMP_CMP_EQ":
            return _equal(index, _MOST, value, code)
        case "SCMP_CMP_MASKED_EQ":
            return _equal(index, value, second, code)
        case "SCMP_CMP_NE":
            high, low = load(argument_high(index)), load(argument_low(index))
            return [
                *high,
                *jump_equal(value >> 32, code, negate=True),
                *low,
                *jump_equal(value & _HALF, code, negate=True),
            ]
        case "SCMP_CMP_GE":
            return _at_least(index, value, code)
        case "SCMP_CMP_GT":
            return _at_least(index, value + 1, code) if value < _MOST else []
        case "SCMP_CMP_LT":
            return _below(index, value, code)
        case "SCMP_CMP_LE":
            return _below(index, value + 1, code) if value < _MOST else code
        case _:
            raise BundleRefusedError(Refused.SECCOMP_RULE, f"linux.seccomp has the operator {operator[:40]!r}")


def _equal(index: int, bits: int, value: int, code: list[Instruction]) -> list[Instruction]:
    for offset, half, want in (
        (argument_low(index), bits & _HALF, value & bits & _HALF),
        (argument_high(index), bits >> 32, (value & bits) >> 32),
    ):
        code = [*load(offset), *(mask(half) if half != _HALF else []), *jump_equal(want, code)]
    return code


def _at_least(index: int, value: int, code: list[Instruction]) -> list[Instruction]:
    high, low = value >> 32, value & _HALF
    above = jump_at_least(high + 1, code) if high < _HALF else []
    same = jump_equal(high, [*load(argument_low(index)), *jump_at_least(low, code)])
    again = load(argument_high(index))  # further conditions in ``code`` may have loaded something else
    return [*again, *above, *again, *same]


def _below(index: int, value: int, code: list[Instruction]) -> list[Instruction]:
    high, low = value >> 32, value & _HALF
    same = jump_equal(high, [*load(argument_low(index)), *jump_below(low, code)])
    again = load(argument_high(index))
    return [*again, *jump_below(high, code), *again, *same]


def _number(value: Json) -> int:
    number = 0 if value is None else integer(value, "the value of a rule")
    if not 0 <= number <= _MOST:
        raise BundleRefusedError(Refused.SECCOMP_RULE, f"linux.seccomp compares with {number}")
    return number
