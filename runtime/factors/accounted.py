"""``memory``, ``processes`` and ``cpu-quota``: limits over all processes of a run, by a control group."""

from abc import abstractmethod

from runtime.data import replace
from runtime.factors.carriers import EVERY, LINUX
from runtime.factors.factor import Factor
from runtime.factors.quantity import parse_size
from runtime.factors.questions import Answers
from runtime.outcome import Resources
from runtime.plan import Plan

MINIMUM_MEMORY = 1 << 20


class _AccountedFactor(Factor):
    """A limit whose evidence is the control group's own file, read back as a decimal number (``max`` for none)."""

    accounted = True

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the limit."""
        value = self.parse(level)
        return self.limit(plan, value)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Nothing: a process cannot see its control group when none is mounted."""
        return ""

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """The control group has the number."""
        value = self.parse(level)
        return found == ("max" if value is None else str(value))

    def needs(self, level: str) -> frozenset[str]:
        """The control group of that name, unless there is no limit."""
        return frozenset() if self.parse(level) is None else frozenset({self.name})

    @abstractmethod
    def parse(self, level: str) -> int | None:
        """Return the limit as a number, None for no limit."""

    @abstractmethod
    def limit(self, plan: Plan, value: int | None) -> Plan:
        """Return ``plan`` under the limit."""


class MemoryFactor(_AccountedFactor):
    """How much memory and swap all processes of the run may have together."""

    name = "memory"
    default = "2G"
    control = "2G"
    levels = {"2G": "2 GiB (any size can be named)", "512M": "512 MiB", "128M": "128 MiB"}
    names = "bytearray mmap mlock mlockall getrusage ru_maxrss virtual_memory memory_limit"
    signs = "limit 9; limit 2; uses much memory; raises MemoryError; ends oom; ends signal 9"

    def parse(self, level: str) -> int | None:
        """Return bytes, a whole number of pages as the kernel counts."""
        size = parse_size(level)
        if size is None or size < MINIMUM_MEMORY:
            raise self.unknown(level)
        return size

    def limit(self, plan: Plan, value: int | None) -> Plan:
        """Set it."""
        return replace(plan, limits=replace(plan.limits, memory=value))

    def stayed_below(self, level: str, used: Resources) -> bool | None:
        """The peak that was seen is below the limit."""
        return None if used.peak_memory < 0 else used.peak_memory < (parse_size(level) or 0)


class ProcessesFactor(_AccountedFactor):
    """How many processes and threads the run may have at once."""

    name = "processes"
    default = "4096"
    control = "4096"
    levels = {"4096": "4096 processes and threads (any number can be named)", "64": "64", "16": "16"}
    names = (
        "Popen Process Pool fork ThreadPoolExecutor ProcessPoolExecutor Thread start_new_thread RLIMIT_NPROC "
        "active_count posix_spawn fork_exec subprocess threading vfork"
    )
    signs = (
        "starts process; starts thread; starts many; limit 6; errno EAGAIN; raises BlockingIOError; raises RuntimeError"
    )

    def parse(self, level: str) -> int | None:
        """Return the number."""
        if not level.isascii() or not level.isdigit() or int(level) < 2:
            raise self.unknown(level)
        return int(level)

    def limit(self, plan: Plan, value: int | None) -> Plan:
        """Set it."""
        return replace(plan, limits=replace(plan.limits, processes=value))

    def stayed_below(self, level: str, used: Resources) -> bool | None:
        """The peak that was seen is below the limit."""
        return None if used.peak_processes < 0 else used.peak_processes < int(level)

    def carriers(self, level: str) -> frozenset[str]:
        """GVisor's threads are not this kernel's processes; the default holds as emulated."""
        return EVERY if level == self.default else LINUX


class CpuQuotaFactor(_AccountedFactor):
    """How much CPU time the run gets, whatever the number of CPUs that it sees."""

    name = "cpu-quota"
    default = "none"
    control = "none"
    levels = {"none": "no quota", "50%": "half of one CPU (any percentage can be named)", "150%": "one and a half CPUs"}
    names = "sleep monotonic perf_counter process_time thread_time timeit wait_for setitimer timeout"
    signs = "raises TimeoutError; raises subprocess.TimeoutExpired; ends deadline"

    def parse(self, level: str) -> int | None:
        """Return percent of one CPU."""
        if level == "none":
            return None
        digits = level.removesuffix("%")
        if not level.endswith("%") or not digits.isascii() or not digits.isdigit() or int(digits) < 1:
            raise self.unknown(level)
        return int(digits)

    def limit(self, plan: Plan, value: int | None) -> Plan:
        """Set it."""
        return replace(plan, limits=replace(plan.limits, cpu_quota=value))
