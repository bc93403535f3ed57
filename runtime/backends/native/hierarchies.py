"""Which control groups this process may make children of: v1, v2, or some controllers on each (hybrid)."""

import os
from collections.abc import Iterator, Mapping
from enum import IntEnum
from types import MappingProxyType

from runtime.data import dataclass

CONTROLLERS = ("memory", "pids", "cpu")


class Version(IntEnum):
    """The two interfaces of control groups."""

    V1 = 1
    V2 = 2


@dataclass(frozen=True, slots=True)
class Group:
    """A folder of a control group file system."""

    version: Version
    path: str


@dataclass(frozen=True, slots=True)
class _Mount:
    root: str
    path: str
    version: Version
    options: frozenset[str]


def find_parents(cgroup: str, mountinfo: str) -> Mapping[str, tuple[Group, ...]]:
    """Return, for each controller, the groups of which a child could be made: this process's own, then those above it.

    Args:
        cgroup: the content of /proc/self/cgroup.
        mountinfo: the content of /proc/self/mountinfo.

    Returns:
        Controller → candidates, nearest first. A controller that is mounted as v1 is not looked for in v2.

    Source: cgroups(7), proc_pid_mountinfo(5).
    """
    mounts = tuple(_parse_mounts(mountinfo))
    found: dict[str, tuple[Group, ...]] = {}
    unified: tuple[Group, ...] = ()
    for line in cgroup.splitlines():
        number, names, own = line.split(":", 2)
        if number == "0" and not names:
            unified = _chain(own, (each for each in mounts if each.version is Version.V2))
            continue
        for name in names.split(","):
            if name in CONTROLLERS:
                found[name] = _chain(own, (each for each in mounts if name in each.options))
    for name in CONTROLLERS:
        found.setdefault(name, unified)
    return MappingProxyType(found)


def find_roots(mountinfo: str) -> Mapping[str, Group]:
    """Return, for each controller, the topmost group that this machine shows.

    Args:
        mountinfo: the content of /proc/self/mountinfo.

    Returns:
        Controller → group; a controller that is mounted as v1 is not looked for in v2.
    """
    mounts = [each for each in _parse_mounts(mountinfo) if each.root == "/"]
    unified = next((Group(Version.V2, each.path) for each in mounts if each.version is Version.V2), None)
    found: dict[str, Group] = {name: unified for name in CONTROLLERS if unified}
    for name in CONTROLLERS:
        for each in mounts:
            if name in each.options:
                found[name] = Group(Version.V1, each.path)
    return MappingProxyType(found)


def _parse_mounts(text: str) -> Iterator[_Mount]:
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(rest) < 3:
            continue
        if rest[0] == "cgroup2":
            yield _Mount(fields[3], fields[4], Version.V2, frozenset())
        elif rest[0] == "cgroup":
            yield _Mount(fields[3], fields[4], Version.V1, frozenset(rest[2].split(",")))


def _chain(own: str, mounts: Iterator[_Mount]) -> tuple[Group, ...]:
    """Return the folders from a process's group up to the root of the mount that shows it."""
    for mount in mounts:
        if own == mount.root:
            inside = ""
        elif own.startswith(mount.root.rstrip("/") + "/"):
            inside = own[len(mount.root.rstrip("/")) :].strip("/")
        else:
            continue  # this mount shows another part of the hierarchy
        parts = inside.split("/") if inside else []
        return tuple(
            Group(mount.version, os.path.join(mount.path, *parts[:depth]))  # noqa: PTH118 - no pathlib here
            for depth in range(len(parts), -1, -1)
        )
    return ()
