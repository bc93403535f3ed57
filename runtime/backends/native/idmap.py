"""The ids of a run and of every unpacked tree: the same inside, with root and without.

Inside are users 0 to 65534 and 1000660000 (the level ``user: arbitrary``), groups 0 to 65535. Root maps them to a range
of its own, above what systemd hands out to containers; a plain user to itself and its range in /etc/subuid.
"""

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import BackendError

BASE = 0x70000000
"""The first id outside, for root."""

ARBITRARY = 1000660000
"""The user id that platforms such as OpenShift choose by themselves, mapped beside the usual ones."""

RANGE = 65536
"""How many ids a plain user must have in /etc/subuid and in /etc/subgid."""


@dataclass(frozen=True, slots=True)
class Extent:
    """``count`` ids that begin at ``inside`` in the namespace and at ``outside`` of it."""

    inside: int
    outside: int
    count: int

    def __str__(self) -> str:
        return f"{self.inside} {self.outside} {self.count}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdMap:
    """Which ids of a namespace are which ids outside; ``helper`` if only newuidmap and newgidmap may write it."""

    users: tuple[Extent, ...]
    groups: tuple[Extent, ...]
    helper: bool


def map_for_root() -> IdMap:
    """Return the map that root writes."""
    users = (Extent(0, BASE, RANGE - 1), Extent(ARBITRARY, BASE + RANGE - 1, 1))
    return IdMap(users=users, groups=(Extent(0, BASE, RANGE),), helper=False)


def map_for_user(uid: int, gid: int, first_user: int, first_group: int) -> IdMap:
    """Return the map of a plain user: 0 is the user itself, all others lie in its ranges."""
    users = (
        Extent(0, uid, 1),
        Extent(1, first_user, RANGE - 2),
        Extent(ARBITRARY, first_user + RANGE - 2, 1),
    )
    return IdMap(users=users, groups=(Extent(0, gid, 1), Extent(1, first_group, RANGE - 1)), helper=True)


def find_range(text: str, names: frozenset[str]) -> int | None:
    """Return the first id of the first range of at least 65536 ids that belongs to one of ``names``.

    Source: subuid(5): ``name-or-uid:first:count`` a line.
    """
    for line in text.splitlines():
        owner, _, rest = line.strip().partition(":")
        first, _, count = rest.partition(":")
        if owner in names and first.isdecimal() and count.isdecimal() and int(count) >= RANGE and int(first) > 0:
            return int(first)
    return None


def read_id_map() -> IdMap:
    """Return the map for whoever runs this process.

    Raises:
        BackendError: a plain user has no range of 65536 ids, or the programs that map it are not installed.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        return map_for_root()
    name = _name_of(uid)
    firsts = []
    for path, option in (("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")):
        found = find_range(_text_of(Path(path)), frozenset({name, str(uid)}))
        if found is None:
            raise BackendError(
                f"user {name!r} has no range of {RANGE} ids in {path}",
                hint=f"run `sudo usermod {option} 100000-165535 {name}` (any range that nobody else has)",
            )
        firsts.append(found)
    for program in ("newuidmap", "newgidmap"):
        if shutil.which(program) is None:
            raise BackendError(f"{program} is not installed", hint="run `sudo apt-get install uidmap`")
    return map_for_user(uid, gid, *firsts)


def write_id_map(pid: int, id_map: IdMap) -> None:
    """Give the map to a child that has just entered its user namespace.

    Raises:
        BackendError: the kernel or the helper programs refused it.
    """
    for program, file, extents in (("newuidmap", "uid_map", id_map.users), ("newgidmap", "gid_map", id_map.groups)):
        if id_map.helper:
            _run_helper(program, pid, extents)
        else:
            _write_map(f"/proc/{pid}/{file}", extents)


def _write_map(path: str, extents: tuple[Extent, ...]) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, "\n".join(map(str, extents)).encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise BackendError(
            f"cannot map the ids {extents[0].outside} and up into a user namespace: {error.strerror}",
            hint="root inside a container may lack these ids; run as a plain user, or outside of it",
        ) from error


def _run_helper(program: str, pid: int, extents: tuple[Extent, ...]) -> None:
    path = shutil.which(program) or program
    argv = [program, str(pid), *" ".join(map(str, extents)).split()]
    child = os.posix_spawn(path, argv, {})
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise BackendError(
            f"{' '.join(argv)} failed with {status}",
            hint=f"check that {path} is setuid root (`sudo chmod u+s {path}`) and that /etc/subuid gives you these ids",
        )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
