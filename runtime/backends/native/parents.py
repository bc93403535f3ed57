"""Of which control groups this process makes children, that hold runs to their limits."""

import os
from _thread import get_native_id
from collections.abc import Mapping
from contextlib import suppress

from runtime.backends.native.hierarchies import Group, Version
from runtime.backends.native.kernel_files import name_of_this, read_text, write_text

_GIVEN = "cgroup.subtree_control"
_OWN = "seatrial-own"
"""The group of this process and those around it, where they were in one that is given to us to divide."""


def usable_parents(found: Mapping[str, tuple[Group, ...]]) -> Mapping[str, Group]:
    """Return controller → the group of which children can be limited by it; one that is not there is left out.

    Args:
        found: as of ``find_parents``.
    """
    usable: dict[str, Group] = {}
    with suppress(OSError):  # a group that is removed meanwhile
        usable |= _of_second_version(found)
    for name, candidates in found.items():
        first = (each for each in candidates if each.version is Version.V1 and _can_be_changed(each.path))
        if parent := next(first, None):
            usable[name] = parent
    return usable


def _of_second_version(found: Mapping[str, tuple[Group, ...]]) -> Mapping[str, Group]:
    """Return controller → the group of v2 of which children can be limited by it: one for all, as a process is in one.

    It may have no processes of its own. Where the group of this process was delegated by systemd, and where no other
    may be changed, as in a container, its processes are moved down, and it is taken. Else it is the nearest above it of
    those that have the most of the controllers, such as the slice of a session.

    Args:
        found: as of ``find_parents``.

    Source: cgroup-v2.rst, "No Internal Process Constraint"; systemd's documentation of delegation.
    """
    wanted = {name: each for name, each in found.items() if each and each[0].version is Version.V2}
    chain = next(iter(wanted.values()), ())
    candidates = [each for each in chain if _can_be_changed(each.path)]
    offered = {each.path: wanted.keys() & read_text(f"{each.path}/cgroup.controllers").split() for each in candidates}
    own = [each for each in chain[:1] if offered.get(each.path) and os.access(f"{each.path}/{_GIVEN}", os.W_OK)]
    usable = [each for each in own if _is_delegated(each.path) and _is_vacated(each.path)]
    usable = usable or [each for each in candidates if _may_have_limited_children(each.path)]
    usable = usable or [each for each in own if _is_vacated(each.path)]
    for parent in sorted(usable, key=lambda each: -len(offered[each.path])):  # of equals the nearest first
        given = sorted(name for name in offered[parent.path] if _is_given_to_children(name, parent.path))
        if given:
            return dict.fromkeys(given, parent)
    return {}


def _is_delegated(path: str) -> bool:
    """Tell whether systemd has marked a group as one that it leaves to whoever is in it."""
    for name in ("user.delegate", "trusted.delegate"):  # the second can be read by root alone
        with suppress(OSError):
            return os.getxattr(path, name) == b"1"
    return False


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
    probe = f"{path}/seatrial-{name_of_this()}-{get_native_id()}"  # several threads look at once
    try:
        os.mkdir(probe)  # noqa: PTH102 - no pathlib in the warm process
        os.rmdir(probe)  # noqa: PTH106
    except OSError:
        return False
    return True


def _is_given_to_children(controller: str, path: str) -> bool:
    """Tell whether children of a group of v2 have a controller; give it to them where that is allowed."""
    with suppress(OSError):
        if controller in read_text(f"{path}/{_GIVEN}").split():
            return True
        write_text(f"{path}/{_GIVEN}", f"+{controller}")
        return True
    return False
