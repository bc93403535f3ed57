"""What this machine's kernel says of a container's first process, where the engine runs on this machine.

An engine tells what it was asked for. What is in effect is another thing: the two are the same on most days.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.backends.native.effective import capabilities, mounts
from runtime.canonical import Json

PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """A process as the kernel has it.

    Args:
        user: its effective ``UID:GID``, in ids of its own user namespace.
        capabilities: of the bounding set, sorted.
        no_new_privileges: whether that bit is set.
        is_filtered: whether its system calls go through a filter.
        mounts: each mount point with the type of its file system and whether it can be written, sorted.
    """

    user: str
    capabilities: tuple[str, ...]
    no_new_privileges: bool
    is_filtered: bool
    mounts: tuple[str, ...]

    def facts(self) -> dict[str, Json]:
        """Return it as facts of a replica."""
        return {
            "user": self.user,
            "capabilities": list(self.capabilities),
            "no-new-privileges": self.no_new_privileges,
            "mounted": list(self.mounts),
        }


def look_inside(pid: int, container: str, proc: Path = PROC) -> Inside | None:
    """Return what the kernel says of a container's process.

    Args:
        pid: as the engine says it; 0 where nothing runs.
        container: the engine's id of the container: the control groups of the process have it in their names.
        proc: where processes are found.

    Returns:
        None where that process is none of this machine's, or not to be read: the engine is elsewhere, or it has ended.
    """
    folder = proc / str(pid)
    try:
        if pid <= 0 or container not in (folder / "cgroup").read_text():
            return None
        status = _status(folder)
        points = mounts((folder / "mountinfo").read_text(errors="backslashreplace"))
    except (OSError, ValueError):
        return None
    return Inside(
        user=f"{_inside(folder, 'uid_map', status['Uid'])}:{_inside(folder, 'gid_map', status['Gid'])}",
        capabilities=tuple(capabilities(status["CapBnd"])),
        no_new_privileges=status["NoNewPrivs"] == "1",
        is_filtered=status["Seccomp"] == "2",
        mounts=tuple(sorted(filter(None, map(_mount, points)))),
    )


def _inside(folder: Path, name: str, ids: str) -> int:
    """Return the effective one of four ids of this machine as its user namespace has it; -1 if that has no such id.

    Source: user_namespaces(7): each line of a map has the first id inside, the first outside, and how many there are.
    """
    wanted = int(ids.split()[1])
    for line in (folder / name).read_text().splitlines():
        first, outside, count = map(int, line.split())
        if outside <= wanted < outside + count:
            return first + wanted - outside
    return -1


def _status(folder: Path) -> Mapping[str, str]:
    pairs = (line.partition(":") for line in (folder / "status").read_text().splitlines())
    return {name: value.strip() for name, _, value in pairs}


def _mount(found: Json) -> str:
    if not isinstance(found, Mapping) or not isinstance(found["options"], list):
        return ""
    return f"{found['path']} {found['type']} {'ro' if 'ro' in found['options'] else 'rw'}"
