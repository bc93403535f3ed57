"""``cpus``, ``open-files`` and ``limits``: what one process may use."""

import resource

from runtime.data import replace
from runtime.factors import preload
from runtime.factors.factor import Factor
from runtime.factors.quantity import parse_size
from runtime.factors.questions import Answers
from runtime.outcome import Fidelity
from runtime.plan import Plan

_CPUINFO = "read /proc/cpuinfo"
_ONLINE = "read /sys/devices/system/cpu/online"
_FILES = f"limit {resource.RLIMIT_NOFILE}"
_LIBRARY = "descriptors"
_MOST = 1 << 20  # fs.nr_open as every kernel starts: without another, nobody may have more
_OPENED = 4096  # what every process may have that has not been given less: INR_OPEN_MAX, linux/fs.h
RESOURCES = {
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
        "starts thread; opens /proc/cpuinfo; opens /proc/stat; opens /sys/devices/system/cpu*; "
        "lists /sys/devices/system/cpu*; raises threading.BrokenBarrierError; raises TimeoutError"
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
    """How many descriptors one process may have open, or is told that it may."""

    name = "open-files"
    default = "1024"
    control = "null"
    levels = {
        "1024": "1024, soft and hard (any number can be named)",
        "64": "64, soft and hard",
        "1073741816": "2^30 - 8, as Docker gives where systemd sets no limit: programs are told so, and have 4096"
        " (any number beyond 2^20)",
        "null": "1024, told by the same means (null control)",
    }
    names = "RLIMIT_NOFILE dup dup2 closerange close_range fd_limit"
    signs = "limit 7; lists /proc/self/fd; opens many; errno EMFILE; enters select.select"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set RLIMIT_NOFILE; have the loader of the image load a library that tells of more than there can be."""
        number, told = self._numbers(level)
        plan = replace(plan, limits=replace(plan.limits, open_files=number))
        return preload.with_library(plan, _LIBRARY, f"{told} {number}") if told else plan

    def questions(self, plan: Plan) -> tuple[str, ...]:
        """The limit, soft and hard; and what a program of the image is told, if anything."""
        return _FILES, *preload.questions(plan, _LIBRARY)

    def probe(self, plan: Plan, answers: Answers) -> str:
        """Say both, and what is told; or that this program asks no loader, or that there is none."""
        limits = answers.text(_FILES)
        if not preload.questions(plan, _LIBRARY):
            return limits
        first, *rest = preload.found(plan, answers)
        return f"{limits}, told: {rest[-1] if rest else first}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """Both are as asked, and so is what is told."""
        number, told = self._numbers(level)
        limits, _, seen = found.partition(", told: ")
        if limits != f"{number} {number}":
            return False
        return level == self.control or seen == (str(told) if told else "")

    def lacks(self, level: str, plan: Plan) -> str:
        """The library is for this machine, and a C compiler has made it."""
        return preload.lacks(plan, _LIBRARY) if level != self.control and self._numbers(level)[1] else ""

    def fidelity(self, level: str) -> Fidelity:
        """A static program, one that asks the kernel by itself, and /proc/self/limits see through it."""
        return Fidelity.EMULATED if self._numbers(level)[1] else Fidelity.NATIVE

    def _numbers(self, level: str) -> tuple[int, int]:
        """Return what a process may open, and what it is told; 0 where it is told nothing else.

        Raises:
            FactorError: there is no such level.
        """
        if level == self.control:
            return int(self.default), int(self.default)
        if not level.isascii() or not level.isdigit() or not 8 <= int(level) < 1 << 31:
            raise self.unknown(level)
        return (int(level), 0) if int(level) <= _MOST else (_OPENED, int(level))


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
        "limit 0; limit 1; limit 2; limit 4; limit 8; errno EFBIG; raises RecursionError; ends signal 11; "
        "ends signal 25"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Add the rlimit to ``core=0``."""
        name, value = self._parse(level)
        return replace(plan, limits=replace(plan.limits, resources={**plan.limits.resources, name: value}))

    def questions(self, plan: Plan) -> tuple[str, ...]:
        """Each rlimit that the plan sets."""
        return tuple(f"limit {RESOURCES[name]}" for name in sorted(plan.limits.resources))

    def probe(self, plan: Plan, answers: Answers) -> str:
        """Say all."""
        found = {name: answers.words(f"limit {RESOURCES[name]}") for name in sorted(plan.limits.resources)}
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
        if name not in RESOURCES or value is None:
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
