"""``cpus``, ``open-files`` and ``limits``: what one process may use."""

import os
import resource
from dataclasses import replace

from runtime.factors.factor import Factor
from runtime.factors.quantity import parse_size
from runtime.outcome import Fidelity
from runtime.plan import Plan

_RESOURCES = {
    "core": resource.RLIMIT_CORE,
    "data": resource.RLIMIT_DATA,
    "fsize": resource.RLIMIT_FSIZE,
    "memlock": resource.RLIMIT_MEMLOCK,
    "stack": resource.RLIMIT_STACK,
}


class CpusFactor(Factor):
    """How many CPUs the program may use, and sees."""

    name = "cpus"
    default = "2"
    control = "2"
    levels = {
        "2": "two CPUs, by affinity, in /proc/cpuinfo and in /sys (any number up to the machine's)",
        "1": "one CPU",
    }

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the number."""
        if not level.isascii() or not level.isdigit() or int(level) < 1:
            raise self.unknown(level)
        return replace(plan, limits=replace(plan.limits, cpus=int(level)))

    def probe(self, plan: Plan) -> str:  # noqa: ARG002
        """Count CPUs in the three places where programs look."""
        return f"affinity={len(os.sched_getaffinity(0))} cpuinfo={_count_in_cpuinfo()} online={_count_online()}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """All three agree with the level."""
        return found == f"affinity={level} cpuinfo={level} online={level}"


class OpenFilesFactor(Factor):
    """How many descriptors one process may have open."""

    name = "open-files"
    default = "1024"
    control = "1024"
    levels = {"1024": "1024, soft and hard (any number can be named)", "64": "64, soft and hard"}

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set RLIMIT_NOFILE."""
        if not level.isascii() or not level.isdigit() or int(level) < 8:
            raise self.unknown(level)
        return replace(plan, limits=replace(plan.limits, open_files=int(level)))

    def probe(self, plan: Plan) -> str:  # noqa: ARG002
        """Read the limit, soft and hard."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        return f"{soft} {hard}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """Both are as asked."""
        return found == f"{level} {level}"


class LimitsFactor(Factor):
    """One further rlimit."""

    name = "limits"
    default = "core=0"
    control = "core=0"
    levels = {
        "core=0": "no core files",
        "fsize=1M": "no file may grow beyond 1 MiB (any size; also of core, data, memlock, stack)",
        "stack=1M": "a stack of 1 MiB",
    }

    def apply(self, plan: Plan, level: str) -> Plan:
        """Add the rlimit to ``core=0``."""
        name, value = self._parse(level)
        return replace(plan, limits=replace(plan.limits, resources={**plan.limits.resources, name: value}))

    def probe(self, plan: Plan) -> str:
        """Read each rlimit that the plan sets."""
        found = {name: resource.getrlimit(_RESOURCES[name]) for name in sorted(plan.limits.resources)}
        return " ".join(f"{name}={soft},{hard}" for name, (soft, hard) in found.items())

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is as asked, soft and hard."""
        name, value = self._parse(level)
        return f"{name}={value},{value}" in found.split()

    def fidelity(self, level: str) -> Fidelity:  # noqa: ARG002
        """The kernel's own limit."""
        return Fidelity.NATIVE

    def _parse(self, level: str) -> tuple[str, int]:
        name, _, text = level.partition("=")
        value = 0 if text == "0" else parse_size(text)
        if name not in _RESOURCES or value is None:
            raise self.unknown(level)
        return name, value


def _count_in_cpuinfo() -> int:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - no pathlib in the warm process
            return sum(line.startswith("processor") for line in file)
    except OSError:
        return -1


def _count_online() -> int:
    """Count the CPUs in a list such as ``0-1,4``. Source: Documentation/admin-guide/cputopology.rst."""
    try:
        with open("/sys/devices/system/cpu/online", encoding="ascii") as file:  # noqa: PTH123
            ranges = [part.split("-") for part in file.read().strip().split(",") if part]
    except OSError:
        return -1
    return sum(int(part[-1]) - int(part[0]) + 1 for part in ranges)
