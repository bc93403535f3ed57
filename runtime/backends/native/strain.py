"""What held a run up, and what it left: throttling, pressure, whom the kernel killed for memory, bytes in its tree.

All of it is a trace: it may name why two runs differ, and decides nothing.

Source: Linux Documentation/accounting/psi.rst, admin-guide/cgroup-v2.rst ("cpu.stat"), scheduler/sched-bwc.rst,
mm/oom_kill.c (``dump_oom_summary``).
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType

from runtime.backends.native.hierarchies import Group, Version
from runtime.backends.native.kernel_files import read_text
from runtime.data import dataclass, field

PRESSURES = ("cpu", "io", "memory")

_MOST_RECORDS = 100_000
_RECORD = 8192  # the kernel's CONSOLE_EXT_LOG_MAX: a shorter buffer fails with EINVAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What was there before the program began.

    Args:
        pressure: as of ``read_pressure``.
        used: bytes in the file system of the run's tree, -1 where the tree has none of its own.
    """

    pressure: Mapping[str, int] = field(default_factory=dict)
    used: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Strain:
    """What held a run up, and what it left; -1 and empty where nothing tells.

    Args:
        throttled_periods: periods in which its CPU quota was used up.
        throttled_time: milliseconds that it waited for the next period.
        pressure: ``cpu``, ``io``, ``memory`` → milliseconds in which some process waited for it.
        has_own_pressure: whether that is the run's; otherwise it is the whole machine's, meanwhile.
        victims: names of the processes that the kernel killed for want of memory, in order.
        written: bytes by which its tree grew.
    """

    throttled_periods: int = -1
    throttled_time: int = -1
    pressure: Mapping[str, int] = field(default_factory=dict)
    has_own_pressure: bool = False
    victims: tuple[str, ...] = ()
    written: int = -1


def mark(groups: Mapping[str, Group], upper: int) -> Mark:
    """Return what is there before a program begins."""
    return Mark(pressure=read_pressure(groups), used=used_bytes(upper))


def strain_since(before: Mark, groups: Mapping[str, Group], upper: int, *, has_oom_kills: bool) -> Strain:
    """Return what held a run up since a mark; its processes have ended, its groups are still there."""
    after = read_pressure(groups)
    both = before.pressure.keys() & after.keys()
    periods, time = read_throttling(groups.get("cpu"))
    now = used_bytes(upper)
    return Strain(
        throttled_periods=periods,
        throttled_time=time,
        pressure={each: max(0, after[each] - before.pressure[each]) // 1000 for each in sorted(both)},
        has_own_pressure=_own(groups) is not None,
        victims=read_victims(groups["memory"]) if has_oom_kills and "memory" in groups else (),
        written=max(0, now - before.used) if before.used >= 0 and now >= 0 else -1,
    )


def read_pressure(groups: Mapping[str, Group], proc: str = "/proc") -> Mapping[str, int]:
    """Return microseconds in which some process waited for each resource: of a v2 group, else of the machine."""
    own = _own(groups)
    found = {}
    for each in PRESSURES:
        with suppress(OSError, StopIteration):
            found[each] = parse_pressure(read_text(f"{own}/{each}.pressure" if own else f"{proc}/pressure/{each}"))
    return MappingProxyType(found)


def parse_pressure(text: str) -> int:
    """Return the total of ``some`` in microseconds.

    Raises:
        StopIteration: there is none.
    """
    line = next(each for each in text.splitlines() if each.startswith("some "))
    return int(line.rpartition("total=")[2])


def read_throttling(group: Group | None) -> tuple[int, int]:
    """Return the periods in which a group was throttled and for how many milliseconds; -1 twice where none tells."""
    if group is None:
        return -1, -1
    try:
        found = dict(line.split() for line in read_text(f"{group.path}/cpu.stat").splitlines())
    except (OSError, ValueError):
        return -1, -1
    if "nr_throttled" not in found:
        return -1, -1  # v2 without the controller: its times are there, its quota is not
    nanoseconds = int(found["throttled_time"]) if group.version is Version.V1 else int(found["throttled_usec"]) * 1000
    return int(found["nr_throttled"]), nanoseconds // 1_000_000


def read_victims(group: Group, log: str = "/dev/kmsg") -> tuple[str, ...]:
    """Return whom the kernel says it killed in a group; empty where this user may not read the kernel's log."""
    name = group.path.rpartition("/")[2]
    return tuple(parse_victim(each) for each in _records(log) if is_about(each, name))


def is_about(record: str, group: str) -> bool:
    """Tell whether a record of the kernel's log says who was killed in a group of that name."""
    return (
        "oom-kill:constraint=" in record and re.search(rf"task_memcg=[^,]*/{re.escape(group)}[,/]", record) is not None
    )


def parse_victim(record: str) -> str:
    """Return the name of who was killed, as ``ps`` shows it; a name may hold commas."""
    found = re.search(r",task=(.*),pid=\d+,uid=\d+", record)
    return found[1] if found else "?"


def used_bytes(folder: int) -> int:
    """Return how many bytes the file system of a folder holds, -1 for no folder."""
    if folder < 0:
        return -1
    found = os.fstatvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def _own(groups: Mapping[str, Group]) -> str | None:
    """Return the v2 group of a run: only there the kernel accounts for its pressure."""
    return next((each.path for each in groups.values() if each.version is Version.V2), None)


def _records(log: str) -> Iterator[str]:
    """Yield the records of the kernel's log, one a read; a read fails with EPIPE where the next one was lost.

    Source: Linux Documentation/ABI/testing/dev-kmsg.
    """
    try:
        descriptor = os.open(log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        for _ in range(_MOST_RECORDS):
            try:
                record = os.read(descriptor, _RECORD)
            except BrokenPipeError:
                continue
            except OSError:
                return  # EAGAIN: no more
            if not record:
                return
            yield record.decode(errors="replace")
    finally:
        os.close(descriptor)
