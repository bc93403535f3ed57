"""The control groups of a container: made where its bundle says, below each hierarchy of this machine."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress

from runtime.backends.native.bundle.refusals import BundleRefusedError, Refused
from runtime.backends.native.bundle.resources import Resources
from runtime.backends.native.cgroups import RunGroup
from runtime.backends.native.hierarchies import Group, Version, find_roots
from runtime.backends.native.kernel_files import write_text


def make_groups(path: str, resources: Resources) -> RunGroup:
    """Make the groups with their limits.

    Args:
        path: below each hierarchy.
        resources: the limits. A controller that is not to be had is an error only if it is needed.

    Raises:
        BundleRefusedError: a limit cannot be enforced; nothing is left behind.
    """
    made: dict[str, Group] = {}
    try:
        for controller, root in _roots().items():
            writes = resources.writes(root.version).get(controller, ())
            group = Group(root.version, f"{root.path}/{path}")
            try:
                _make(root, path, controller)
                made[controller] = group
                for file, text in writes:
                    write_text(f"{group.path}/{file}", text)
            except OSError as error:
                if writes:
                    raise BundleRefusedError(Refused.RESOURCE, f"the limit {writes[0][0]}: {error}") from error
        _refuse_lacking(set(resources.writes(Version.V1)) - set(made))
    except BundleRefusedError:
        RunGroup(made).remove()
        raise
    return RunGroup(made)


def to_state(group: RunGroup) -> dict[str, tuple[int, str]]:
    """Return the groups as JSON."""
    return {name: (each.version.value, each.path) for name, each in group.groups.items()}


def from_state(value: Mapping[str, tuple[int, str]]) -> RunGroup:
    """Return the groups that ``to_state`` gave."""
    return RunGroup({name: Group(Version(version), path) for name, (version, path) in value.items()})


def _refuse_lacking(controllers: set[str]) -> None:
    if controllers:
        detail = f"limits of {', '.join(sorted(controllers))}, which nothing enforces here"
        raise BundleRefusedError(Refused.RESOURCE, detail)


def _roots() -> Mapping[str, Group]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - started for each command
        roots = find_roots(file.read())
    return {name: each for name, each in roots.items() if each.version is Version.V1 or name in _controllers(each)}


def _controllers(root: Group) -> list[str]:
    with suppress(OSError), open(f"{root.path}/cgroup.controllers", encoding="ascii") as file:  # noqa: PTH123 - likewise
        return file.read().split()
    return []


def _make(root: Group, path: str, controller: str) -> None:
    """Make a group with those above it; on v2 each must hand the controller down."""
    _refuse_busy(f"{root.path}/{path}")
    for above, each in _chain(root.path, path):
        if root.version is Version.V2:
            write_text(f"{above}/cgroup.subtree_control", f"+{controller}")
        with suppress(FileExistsError):
            os.mkdir(each)  # noqa: PTH102 - likewise


def _refuse_busy(path: str) -> None:
    """Refuse a group that has processes: they are another's, and would be ended with the container."""
    with suppress(FileNotFoundError), open(f"{path}/cgroup.procs", encoding="ascii") as file:  # noqa: PTH123 - likewise
        if file.read(1):
            raise BundleRefusedError(Refused.CGROUP_PATH, f"{path} has processes in it")


def _chain(root: str, path: str) -> Iterator[tuple[str, str]]:
    above = root
    for part in path.split("/"):
        yield above, f"{above}/{part}"
        above = f"{above}/{part}"
