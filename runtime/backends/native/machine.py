"""What this machine is, as far as the steps of a run depend on it."""

import os
import re

from runtime.backends.native.syscalls import MACHINE
from runtime.data import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Facts that the steps of a run depend on.

    Args:
        name: the architecture as ``uname -m`` says it.
        cpus: the numbers of the CPUs that this process may use, sorted.
        cpuinfo: the content of /proc/cpuinfo.
        shown: how many CPUs /proc/cpuinfo and /sys show.
    """

    name: str
    cpus: tuple[int, ...]
    cpuinfo: str
    shown: int


def read_machine() -> Machine:
    """Read the facts of this machine."""
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - no pathlib in the warm process
        text = file.read()
    return Machine(
        name=MACHINE, cpus=tuple(sorted(os.sched_getaffinity(0))), cpuinfo=text, shown=len(_processors(text))
    )


def text_of(path: str) -> str | None:
    """Return the content of a file of this machine, or None where there is none or this user may not read it."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - likewise
            return file.read()
    except OSError:
        return None


def cpuinfo_of(machine: Machine, count: int) -> str:
    """Return what /proc/cpuinfo says where only the first ``count`` usable CPUs exist, numbered from 0."""
    blocks = _processors(machine.cpuinfo)
    chosen = [blocks[each] for each in machine.cpus[:count] if each in blocks] or list(blocks.values())[:count]
    text = "".join(
        re.sub(r"^processor(\s*):.*$", rf"processor\1: {position}", block, count=1, flags=re.MULTILINE) + "\n\n"
        for position, block in enumerate(chosen)
    )
    return _shared_part(machine.cpuinfo) + text


def _processors(text: str) -> dict[int, str]:
    blocks = {}
    for block in text.split("\n\n"):
        found = re.match(r"processor\s*:\s*(\d+)", block.strip())
        if found:
            blocks[int(found[1])] = block.strip("\n")
    return blocks


def _shared_part(text: str) -> str:
    """Return what stands before the first CPU, which is nothing on the architectures that are known."""
    return text[: text.index("processor")] if "processor" in text else ""
