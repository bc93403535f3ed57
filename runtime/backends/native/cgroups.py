"""The control groups of one run: limits over all its processes, and what they used.

Source: Linux Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst and pids.rst, scheduler/sched-bwc.rst.
"""

import os
import re
import signal
import time
from collections.abc import Mapping
from contextlib import suppress

from runtime.backends.native.hierarchies import CONTROLLERS, Group, Version, find_parents
from runtime.backends.native.kernel_files import pid_namespace, read_text, start_time, write_text
from runtime.backends.native.parents import usable_parents
from runtime.data import dataclass
from runtime.errors import BackendError
from runtime.plan import Limits

_NAME = re.compile(r"seatrial-(\d+)-(\d+)-(\d+)-(\d+)")
_PERIOD = 100_000  # microseconds, the kernel's own default
_UNLIMITED = 1 << 62  # v1 shows "no limit" as the largest number of whole pages
_LIMIT_OF = {"memory": "memory", "pids": "processes", "cpu": "cpu-quota"}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run used and what was in effect; -1 and an empty mapping where nothing could tell.

    Args:
        memory: bytes at the peak.
        processes: processes and threads at the peak.
        oom_kills: how often the kernel killed one of its processes for want of memory.
        in_effect: factor → the limit read back from the kernel.
    """

    memory: int = -1
    processes: int = -1
    oom_kills: int = -1
    in_effect: Mapping[str, str] | None = None


class Parents:
    """Where this process can make groups."""

    def __init__(self, cgroup: str, mountinfo: str) -> None:
        self._usable = usable_parents(find_parents(cgroup, mountinfo))

    @property
    def offers(self) -> frozenset[str]:
        """The limits that can be enforced: of ``memory``, ``processes``, ``cpu-quota``."""
        return frozenset(_LIMIT_OF[name] for name in self._usable)

    @property
    def versions(self) -> str:
        """``v1``, ``v2``, both joined by ``+``, or ``none``: which interface enforces limits here."""
        found = {f"v{each.version.value}" for each in self._usable.values()}
        return "+".join(sorted(found)) or "none"

    def make(self, name: str, limits: Limits) -> "RunGroup":
        """Make the groups of one run, with its limits.

        Raises:
            BackendError: a group or a limit was refused; nothing is left behind.
        """
        wanted = [each for each in CONTROLLERS if each in self._usable and (each != "cpu" or limits.cpu_quota)]
        made: dict[str, Group] = {}
        try:
            for each in wanted:
                parent = self._usable[each]
                group = Group(parent.version, f"{parent.path}/{name}")
                with suppress(FileExistsError):
                    os.mkdir(group.path)  # noqa: PTH102 - no pathlib in the warm process
                made[each] = group
        except OSError as error:
            RunGroup(made).remove()
            raise BackendError(f"cannot limit a run by control groups: {error}") from error
        groups = RunGroup(made)
        try:
            groups.limit(limits)
        except BackendError:
            groups.remove()
            raise
        return groups

    def sweep(self) -> int:
        """Remove the groups of owners that are dead, with every process in them; return how many.

        Of owners in another PID namespace, as in a container that sees the same groups, nothing is known here.
        """
        swept = 0
        namespace = pid_namespace()
        for path in sorted({each.path for each in self._usable.values()}):
            for entry in sorted(os.listdir(path)):  # noqa: PTH208
                found = _NAME.fullmatch(entry)
                if found and int(found[1]) == namespace and start_time(int(found[2])) != int(found[3]):
                    _end(f"{path}/{entry}")
                    swept += 1
        return swept


@dataclass(frozen=True, slots=True)
class RunGroup:
    """The groups of one run: controller → folder; on v2 the same folder for all."""

    groups: Mapping[str, Group]

    def limit(self, limits: Limits) -> None:
        """Set the limits of all processes in the groups together.

        Raises:
            BackendError: a limit was refused.
        """
        try:
            for each, group in self.groups.items():
                _limit(each, group, limits)
        except OSError as error:
            raise BackendError(f"cannot limit a run by control groups: {error}") from error

    def add(self, pid: int) -> None:
        """Put a process into the groups."""
        for path in self._paths:
            write_text(f"{path}/cgroup.procs", str(pid))

    def doors(self) -> tuple[int, ...]:
        """Return descriptors by which whoever inherits them puts itself into the groups, with ``enter``."""
        return tuple(os.open(f"{path}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC) for path in self._paths)

    def usage(self) -> Usage:
        """Read what was used and what is in effect."""
        memory, pids = self.groups.get("memory"), self.groups.get("pids")
        return Usage(
            memory=_peak_memory(memory) if memory else -1,
            processes=_number(f"{pids.path}/pids.peak") if pids else -1,
            oom_kills=_oom_kills(memory) if memory else -1,
            in_effect=_all_in_effect(self.groups),
        )

    def remove(self) -> None:
        """Remove the groups; their processes are ended first."""
        for path in self._paths:
            _end(path)

    @property
    def _paths(self) -> list[str]:
        return sorted({each.path for each in self.groups.values()})


def enter(doors: tuple[int, ...]) -> None:
    """Put this process into groups, and close what led there. Who opened it must be allowed to do so.

    Source: cgroups(7): 0 stands for the process that writes; the rights are those of whoever opened the file.
    """
    for each in doors:
        try:
            os.write(each, b"0")
        finally:
            os.close(each)


def read_parents() -> Parents:
    """Look where this process can make groups."""
    return Parents(read_text("/proc/self/cgroup"), read_text("/proc/self/mountinfo"))


def usage_of(pid: int) -> Usage:
    """Return what the control groups of any process say of it; what this user may not read is left out."""
    try:
        candidates = find_parents(read_text(f"/proc/{pid}/cgroup"), read_text("/proc/self/mountinfo"))
    except OSError:
        return Usage()
    return Usage(in_effect=_all_in_effect({name: found[0] for name, found in candidates.items() if found}))


def _limit(controller: str, group: Group, limits: Limits) -> None:
    first = group.version is Version.V1
    match controller:
        case "memory" if limits.memory is not None:
            write_text(f"{group.path}/{'memory.limit_in_bytes' if first else 'memory.max'}", str(limits.memory))
            # Memory and swap together: v1 counts the sum if the kernel counts swap at all, v2 gets no swap.
            extra, value = ("memory.memsw.limit_in_bytes", str(limits.memory)) if first else ("memory.swap.max", "0")
            with suppress(FileNotFoundError):
                write_text(f"{group.path}/{extra}", value)
        case "pids" if limits.processes is not None:
            write_text(f"{group.path}/pids.max", str(limits.processes))
        case "cpu" if limits.cpu_quota is not None:
            quota = limits.cpu_quota * _PERIOD // 100
            if first:
                write_text(f"{group.path}/cpu.cfs_period_us", str(_PERIOD))
                write_text(f"{group.path}/cpu.cfs_quota_us", str(quota))
            else:
                write_text(f"{group.path}/cpu.max", f"{quota} {_PERIOD}")


def _all_in_effect(groups: Mapping[str, Group]) -> Mapping[str, str]:
    """Return the limits that can be read; systemd may take a controller away from a slice that is its own."""
    found = {}
    for name, group in groups.items():
        with suppress(OSError, ValueError, IndexError):
            found[_LIMIT_OF[name]] = _in_effect(name, group)
    return found


def _in_effect(controller: str, group: Group) -> str:
    first = group.version is Version.V1
    match controller:
        case "memory":
            value = read_text(f"{group.path}/{'memory.limit_in_bytes' if first else 'memory.max'}").strip()
            return "max" if value == "max" or int(value) >= _UNLIMITED else value
        case "pids":
            return read_text(f"{group.path}/pids.max").strip()
        case _:
            quota = read_text(f"{group.path}/{'cpu.cfs_quota_us' if first else 'cpu.max'}").split()
            period = read_text(f"{group.path}/cpu.cfs_period_us").strip() if first else quota[1]
            return "max" if quota[0] in ("-1", "max") else str(int(quota[0]) * 100 // int(period))


def _peak_memory(group: Group) -> int:
    if group.version is Version.V2:
        return _number(f"{group.path}/memory.peak")
    both = _number(f"{group.path}/memory.memsw.max_usage_in_bytes")
    return both if both >= 0 else _number(f"{group.path}/memory.max_usage_in_bytes")


def _oom_kills(group: Group) -> int:
    file = "memory.oom_control" if group.version is Version.V1 else "memory.events"
    with suppress(FileNotFoundError):
        for line in read_text(f"{group.path}/{file}").splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0


def _end(path: str) -> None:
    """Kill what is in a group and remove it; a dying process keeps it busy for a moment."""
    for pause in (0.0, 0.001, 0.005, 0.02, 0.1, 0.5, 1.0):
        try:
            os.rmdir(path)  # noqa: PTH106 - no pathlib in the warm process
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(pause)
        else:
            return
        with suppress(OSError):
            for pid in map(int, read_text(f"{path}/cgroup.procs").split()):
                if pid > 0:  # 0 stands for a process of another PID namespace; to kill it would kill ourselves
                    os.kill(pid, signal.SIGKILL)


def _number(path: str) -> int:
    try:
        return int(read_text(path))
    except (OSError, ValueError):
        return -1  # this kernel has no such file
