"""``cpus``, ``open-files`` and ``limits``: what one process may use."""

import resource

from runtime.data import replace
from runtime.factors.factor import Factor
from runtime.factors.quantity import parse_size
from runtime.factors.questions import Answers
from runtime.outcome import Fidelity
from runtime.plan import Plan

_CPUINFO = "read /proc/cpuinfo"
_ONLINE = "read /sys/devices/system/cpu/online"
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
    names = (
        "cpu_count process_cpu_count sched_getaffinity sched_setaffinity getcpu Barrier Thread ThreadPoolExecutor "
        "ProcessPoolExecutor max_workers threading"
    )
    signs = (
        "starts thread; opens /proc/cpuinfo; opens /proc/stat; opens /sys/devices/system/cpu*; lists "
        "/sys/devices/system/cpu*; raises threading.BrokenBarrierError; raises TimeoutError"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the number."""
        if not level.isascii() or not level.isdigit() or int(level) < 1:
            raise self.unknown(level)
        return replace(plan, limits=replace(plan.limits, cpus=int(level)))

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """The three places where programs look."""
        return "cpus", _CPUINFO, _ONLINE

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Count CPUs in all three."""
        shown = sum(line.startswith("processor") for line in answers.text(_CPUINFO).splitlines())
        return f"affinity={answers.text('cpus')} cpuinfo={shown} online={_count(answers.text(_ONLINE))}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """All three agree with the level."""
        return found == f"affinity={level} cpuinfo={level} online={level}"


class OpenFilesFactor(Factor):
    """How many descriptors one process may have open."""

    name = "open-files"
    default = "1024"
    control = "1024"
    levels = {"1024": "1024, soft and hard (any number can be named)", "64": "64, soft and hard"}
    names = "RLIMIT_NOFILE dup dup2 closerange close_range fd_limit"
    signs = "limit 7; lists /proc/self/fd; opens many; errno EMFILE; enters select.select"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set RLIMIT_NOFILE."""
        if not level.isascii() or not level.isdigit() or int(level) < 8:
            raise self.unknown(level)
        return replace(plan, limits=replace(plan.limits, open_files=int(level)))

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """The limit, soft and hard."""
        return (f"limit {resource.RLIMIT_NOFILE}",)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say both."""
        return answers.text(f"limit {resource.RLIMIT_NOFILE}")

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
    names = (
        "RLIMIT_CORE RLIMIT_FSIZE RLIMIT_STACK RLIMIT_DATA RLIMIT_MEMLOCK RLIMIT_AS setrlimit getrlimit "
        "setrecursionlimit stack_size truncate ftruncate fallocate posix_fallocate mlock resource"
    )
    signs = (
        "limit 0; limit 1; limit 2; limit 4; limit 8; errno EFBIG; raises RecursionError; ends signal 11; ends "
        "signal 25"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Add the rlimit to ``core=0``."""
        name, value = self._parse(level)
        return replace(plan, limits=replace(plan.limits, resources={**plan.limits.resources, name: value}))

    def questions(self, plan: Plan) -> tuple[str, ...]:
        """Each rlimit that the plan sets."""
        return tuple(f"limit {_RESOURCES[name]}" for name in sorted(plan.limits.resources))

    def probe(self, plan: Plan, answers: Answers) -> str:
        """Say all."""
        found = {name: answers.words(f"limit {_RESOURCES[name]}") for name in sorted(plan.limits.resources)}
        return " ".join(f"{name}={','.join(values)}" for name, values in found.items())

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


def _count(ranges: str) -> int:
    """Count the CPUs in a list such as ``0-1,4``; -1 if it is none.

    Source: Linux Documentation/admin-guide/cputopology.rst.
    """
    try:
        bounds = [part.split("-") for part in ranges.strip().split(",")]
        return sum(int(part[-1]) - int(part[0]) + 1 for part in bounds)
    except ValueError:
        return -1
