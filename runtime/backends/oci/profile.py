"""Our profile of system calls in the words of the OCI runtime specification, for runtimes that load it by libseccomp.

Source: OCI runtime specification, config-linux.md, "Seccomp".
"""

import errno
from collections.abc import Iterator, Mapping
from typing import Any

from runtime.backends.native.seccomp import read_numbers, read_profile
from runtime.canonical import Json
from runtime.plan import Denial, Plan

_ARCHITECTURES = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}
_LOW_HALF = 0xFFFFFFFF


def seccomp_of(plan: Plan, machine: str) -> dict[str, Json] | None:
    """Return the ``linux.seccomp`` of a plan, None for no filter.

    Args:
        plan: its ``seccomp`` and ``denials``.
        machine: ``x86_64`` or ``aarch64``.
    """
    denied = {each.syscall: each for each in reversed(plan.denials)}
    if plan.seccomp == "unconfined":
        if not denied:
            return None
        rules = [rule for each in denied.values() for rule in _deny(each, allowed=True)]
        return {"defaultAction": "SCMP_ACT_ALLOW", "architectures": [_ARCHITECTURES[machine]], "syscalls": [*rules]}
    profile = read_profile(plan.seccomp)
    allowed = [name for name in profile["allow"] if name not in denied]
    refused = [name for name in profile["refuse"] if name not in denied]
    named = {*profile["allow"], *profile["refuse"], *profile["conditions"], *denied}
    # Said of every call by its name too: gVisor of 2022 and runc before 1.1 know no errno of the default action.
    unknown = sorted(read_numbers()[machine].keys() - named)
    rules = [_rule(allowed), _rule(refused, failure=errno.EPERM), _rule(unknown, failure=errno.ENOSYS)]
    for name, conditions in profile["conditions"].items():
        if name not in denied:
            rules.extend(_conditional(name, conditions))
    for each in denied.values():
        rules.extend(_deny(each, allowed=each.syscall in profile["allow"]))
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": errno.ENOSYS,
        "architectures": [_ARCHITECTURES[machine]],
        "syscalls": [*rules],
    }


def _rule(names: list[str], *, failure: int = 0, arguments: list[Json] | None = None) -> dict[str, Json]:
    """Return a rule that allows calls, or lets them fail with an errno."""
    rule: dict[str, Json] = {"names": [*names], "action": "SCMP_ACT_ERRNO" if failure else "SCMP_ACT_ALLOW"}
    if failure:
        rule["errnoRet"] = failure
    if arguments:
        rule["args"] = arguments
    return rule


def _masked(argument: int, mask: int, value: int) -> Json:
    return {"index": argument, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}


def _conditional(name: str, conditions: list[Mapping[str, Any]]) -> Iterator[dict[str, Json]]:
    """Return the rules of one call: each failure by its value, and what is left allowed.

    Values are compared with the low half of an argument, as the kernel takes an int. A rule without arguments would
    swallow all others of the same call, so what is allowed is said by arguments too.
    """
    for each in conditions:
        argument, failure = each["argument"], each["errno"]
        if bits := each.get("any-bit-of"):
            for bit in (1 << number for number in range(32) if bits >> number & 1):
                yield _rule([name], failure=failure, arguments=[_masked(argument, bit, bit)])
            yield _rule([name], arguments=[_masked(argument, bits, 0)])
        elif values := each.get("one-of"):
            for value in values:
                yield _rule([name], failure=failure, arguments=[_masked(argument, _LOW_HALF, value)])
            yield from _all_but(name, argument, values)
        else:
            for value in each["none-of"]:
                yield _rule([name], arguments=[_masked(argument, _LOW_HALF, value)])
            yield from _all_but(name, argument, each["none-of"], failure=failure)


def _all_but(name: str, argument: int, values: list[int], *, failure: int = 0) -> Iterator[dict[str, Json]]:
    """Answer every value but these: by the bits in which a value can differ from each of them.

    libseccomp has no "none of these" for a half of an argument: values are told apart bit by bit, as far as they agree
    with a forbidden one.
    """
    for number in range(32):
        bit = 1 << number
        for prefix in sorted({value & (bit - 1) for value in values}):
            same = {value & bit for value in values if value & (bit - 1) == prefix}
            for other in {0, bit} - same:
                mask = (bit << 1) - 1
                yield _rule([name], failure=failure, arguments=[_masked(argument, mask, prefix | other)])


def _deny(denial: Denial, *, allowed: bool) -> Iterator[dict[str, Json]]:
    """Return the rules of a denied call; where it is allowed otherwise, each argument may be the one that differs."""
    wanted = sorted(denial.arguments.items())
    rule = _rule([denial.syscall], arguments=[_equal(index, value) for index, value in wanted])
    yield {**rule, "action": "SCMP_ACT_ERRNO", "errnoRet": denial.errno}
    if not allowed:
        return
    for index, value in wanted:
        if value > _LOW_HALF:
            yield _rule([denial.syscall], arguments=[{"index": index, "value": value, "op": "SCMP_CMP_NE"}])
        else:
            yield from _all_but(denial.syscall, index, [value])


def _equal(index: int, value: int) -> Json:
    """Compare the low half only with a value that fits into it, as our own filter does (CVE-2019-7303)."""
    if value > _LOW_HALF:
        return {"index": index, "value": value, "op": "SCMP_CMP_EQ"}
    return _masked(index, _LOW_HALF, value)
