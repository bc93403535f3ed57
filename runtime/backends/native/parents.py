"""Of which control groups this process makes children, that hold runs to their limits."""

import os
from collections.abc import Mapping
from contextlib import suppress

from runtime.backends.native.hierarchies import Group, Version
from runtime.backends.native.kernel_files import read_text, start_time, write_text

_OWN = "seatrial-own"
"""The group of this process and those around it, where they were in one that is given to us to divide."""


def usable_parents(found: Mapping[str, tuple[Group, ...]]) -> Mapping[str, Group]:
    """Return controller → the group of which children can be limited by it; one that is not there is left out.

    Args:
        found: as of ``find_parents``.
    """
    usable = dict(_of_second_version(found))
    for name, candidates in found.items():
        first = (each for each in candidates if each.version is Version.V1 and _can_be_changed(each.path))
        if parent := next(first, None):
            usable[name] = parent
    return usable


def _of_second_version(found: Mapping[str, tuple[Group, ...]]) -> Mapping[str, Group]:
    """Return controller → the group of v2 of which children can be limited by it: one for all, as a process is in one.

    That is the nearest of those that have the most of the controllers. None has processes of its own, as the group of
    this process has: systemd gives those of a session to a folder that has none. Where no group above may be changed,
    as in a service to which its group was delegated, or in a container, the processes of this one are moved down.

    Args:
        found: as of ``find_parents``.

    Source: cgroup-v2.rst, "No Internal Process Constraint"; systemd's documentation of delegation.
    """
    wanted = {name: each for name, each in found.items() if each and each[0].version is Version.V2}
    chain = next(iter(wanted.values()), ())
    candidates = [each for each in chain if _can_be_changed(each.path)]
    offered = {each.path: wanted.keys() & read_text(f"{each.path}/cgroup.controllers").split() for each in candidates}
    usable = [each for each in candidates if _may_have_limited_children(each.path)]
    if not usable:
        own = [each for each in chain[:1] if offered.get(each.path)]
        usable = [each for each in own if _is_vacated(each.path)]
    if not usable:
        return {}
    parent = max(usable, key=lambda each: len(offered[each.path]))  # the first of them
    return {name: parent for name in sorted(offered[parent.path]) if _is_given_to_children(name, parent.path)}


def _may_have_limited_children(path: str) -> bool:
    """Tell whether a group of v2 has no processes of its own, or is the root of all, which has no type.

    Of one with processes some controllers can be given to children, and no process can be put into these.
    """
    try:
        return read_text(f"{path}/cgroup.type").strip() == "domain" and not read_text(f"{path}/cgroup.procs")
    except FileNotFoundError:
        return True


def _is_vacated(path: str) -> bool:
    """Move all processes of a group of v2 into a child of it, and tell whether that could be done."""
    with suppress(OSError):
        with suppress(FileExistsError):
            os.mkdir(f"{path}/{_OWN}")  # noqa: PTH102 - no pathlib in the warm process
        for _ in range(10):  # those that are started meanwhile come after
            for pid in read_text(f"{path}/cgroup.procs").split():
                with suppress(ProcessLookupError):
                    write_text(f"{path}/{_OWN}/cgroup.procs", pid)
            if _may_have_limited_children(path):
                return True
    return False


def _can_be_changed(path: str) -> bool:
    """Tell whether this process may make groups in a group, and put processes into them."""
    if not os.access(path, os.W_OK) or not os.access(f"{path}/cgroup.procs", os.W_OK):
        return False
    probe = f"{path}/seatrial-{os.getpid()}-{start_time(os.getpid())}-0"
    try:
        os.mkdir(probe)  # noqa: PTH102 - no pathlib in the warm process
        os.rmdir(probe)  # noqa: PTH106
    except OSError:
        return False
    return True


def _is_given_to_children(controller: str, path: str) -> bool:
    """Tell whether children of a group of v2 have a controller; give it to them where that is allowed."""
    with suppress(OSError):
        if controller in read_text(f"{path}/cgroup.subtree_control").split():
            return True
        write_text(f"{path}/cgroup.subtree_control", f"+{controller}")
        return True
    return False
