"""The ids of a run and of every unpacked tree: the same inside, with root and without.

Inside are users 0 to 65534 and 1000660000 (the level ``user: arbitrary``), groups 0 to 65535. Root maps them to a range
of its own, above what systemd hands out to containers; a plain user to itself and its range in /etc/subuid. Where it
has no range, user 0 is itself and there is nobody else: owners are recorded (``runtime.oci.owners``), and a run's user
is emulated.
"""

import os
import pwd
from pathlib import Path

from runtime.backends.native import processes
from runtime.backends.native.kernel_files import write_text
from runtime.data import dataclass
from runtime.errors import BackendError

BASE = 0x70000000
"""The first id outside, for root."""

ARBITRARY = 1000660000
"""The user id that platforms such as OpenShift choose by themselves, mapped beside the usual ones."""

RANGE = 65536
"""How many ids a plain user must have in /etc/subuid and in /etc/subgid."""

_FILES = (Path("/etc/subuid"), Path("/etc/subgid"))
_CONTAINED = "root inside a container may lack these ids; run as a plain user, or outside of it"
_RESTRICTED = (
    "this machine may restrict user namespaces: see `sysctl kernel.apparmor_restrict_unprivileged_userns "
    "kernel.unprivileged_userns_clone user.max_user_namespaces`"
)
_OVERFLOW = 65534  # linux/highuid.h: DEFAULT_OVERFLOWUID
_FIRST_FREE = 100000  # SUB_UID_MIN of login.defs(5)


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

    @property
    def has_one_id(self) -> bool:
        """Whether there is nobody inside but user 0."""
        return sum(each.count for each in self.users) == 1

    def inside(self, uid: int, gid: int) -> tuple[int, int]:
        """Return what ids outside are inside of the namespace; the kernel's "nobody" for those that are not mapped."""
        return _inside(self.users, uid), _inside(self.groups, gid)


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


def map_for_one_id(uid: int, gid: int) -> IdMap:
    """Return the map of a plain user without ranges: 0 is the user itself, and there is nobody else."""
    return IdMap(users=(Extent(0, uid, 1),), groups=(Extent(0, gid, 1),), helper=False)


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


def free_range(text: str) -> int:
    """Return the first id above all ranges of /etc/subuid or /etc/subgid, where useradd(8) begins to look."""
    ends = [_FIRST_FREE]
    for line in text.splitlines():
        _, _, rest = line.strip().partition(":")
        first, _, count = rest.partition(":")
        if first.isdecimal() and count.isdecimal():
            ends.append(int(first) + int(count))
    return max(ends)


def read_id_map(*, one_id: bool | None = None) -> IdMap:
    """Return the map for whoever runs this process.

    Args:
        one_id: None takes the range of ids where there is one, and the user's own id alone elsewhere; True takes that
            alone, False only the range.

    Raises:
        BackendError: the range is asked for and cannot be had, or root asks for one id: that would be its own.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        if one_id:
            raise BackendError("root does not run anything under its own id", hint="leave out `one_id`")
        return map_for_root()
    missing = None if one_id else lacking_range(uid)
    if one_id or (missing and one_id is None):
        return map_for_one_id(uid, gid)
    if missing:
        raise missing
    users, groups = (find_range(_text_of(path), _names_of(uid)) for path in _FILES)
    return map_for_user(uid, gid, users or 0, groups or 0)


def lacking_range(uid: int) -> BackendError | None:
    """Return why a plain user has no range of ids, with the command that gives it one; None if it has one."""
    reasons, commands = [], []
    if any(_place_of(program) is None for program in ("newuidmap", "newgidmap")):
        reasons.append("newuidmap and newgidmap are not installed")
        commands.append("sudo apt-get install uidmap")
    without = [path for path in _FILES if find_range(_text_of(path), _names_of(uid)) is None]
    if without:
        name = _name_of(uid)
        reasons.append(f"user {name!r} has no range of {RANGE} ids in {' and '.join(map(str, without))}")
        commands.append(_give_range(name, without))
    return BackendError(", and ".join(reasons), hint=f"run `{' && '.join(commands)}`") if reasons else None


def write_id_map(pid: int, id_map: IdMap) -> None:
    """Give the map to a child that has just entered its user namespace.

    Raises:
        BackendError: the kernel or the helper programs refused it.
    """
    if id_map.has_one_id:
        # Who gives up a group could gain rights by that (CVE-2018-7169).
        _write_map(f"/proc/{pid}/setgroups", id_map.users, "deny")
    for program, file, extents in (("newuidmap", "uid_map", id_map.users), ("newgidmap", "gid_map", id_map.groups)):
        if id_map.helper:
            _run_helper(program, pid, extents)
        else:
            _write_map(f"/proc/{pid}/{file}", extents, "\n".join(map(str, extents)))


def be_seen_as(uid: int, gid: int) -> None:
    """Enter one more user namespace, in which the only id is shown as another one. All rights in the outer one end.

    The caller must be alone in its PID namespace: while it writes the map it can be opened by others of its user.

    Source: user_namespaces(7), "Defining user and group ID mappings".
    """
    outer = os.geteuid(), os.getegid()
    processes.unshare(processes.CLONE_NEWUSER)
    processes.prctl(processes.PR_SET_DUMPABLE, 1)  # else /proc/self belongs to this machine's root
    write_text("/proc/self/setgroups", "deny")
    write_text("/proc/self/uid_map", str(Extent(uid, outer[0], 1)))
    write_text("/proc/self/gid_map", str(Extent(gid, outer[1], 1)))
    processes.be_opaque()


def _inside(extents: tuple[Extent, ...], number: int) -> int:
    for each in extents:
        if each.outside <= number < each.outside + each.count:
            return each.inside + number - each.outside
    return _OVERFLOW


def _write_map(path: str, extents: tuple[Extent, ...], text: str) -> None:
    try:
        write_text(path, text)
    except OSError as error:
        raise BackendError(
            f"cannot map the ids {extents[0].outside} and up into a user namespace: {error.strerror}",
            hint=_RESTRICTED if os.geteuid() else _CONTAINED,
        ) from error


def _run_helper(program: str, pid: int, extents: tuple[Extent, ...]) -> None:
    path = _place_of(program) or program
    argv = [program, str(pid), *" ".join(map(str, extents)).split()]
    child = os.posix_spawn(path, argv, {})
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise BackendError(
            f"{' '.join(argv)} failed with {status}",
            hint=f"check that {path} is setuid root (`sudo chmod u+s {path}`) and that /etc/subuid gives you these ids",
        )


def _place_of(program: str) -> str | None:
    """Return the path of a program, as ``shutil.which`` does, which loads every kind of compression."""
    paths = (f"{folder}/{program}" for folder in os.get_exec_path())
    return next((each for each in paths if os.path.isfile(each) and os.access(each, os.X_OK)), None)  # noqa: PTH113


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _names_of(uid: int) -> frozenset[str]:
    return frozenset({_name_of(uid), str(uid)})


def _give_range(name: str, without: list[Path]) -> str:
    """Return the command that gives a user a range that nobody has, in each of the files where it has none."""
    first = max(free_range(_text_of(path)) for path in _FILES)
    if name.isdecimal():  # usermod knows names only
        return f"echo {name}:{first}:{RANGE} | sudo tee -a {' '.join(map(str, without))}"
    options = [f"--add-{path.name}s {first}-{first + RANGE - 1}" for path in without]
    return f"sudo usermod {' '.join(options)} {name}"


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
