"""``Process``: the program of a bundle, or one more that ``exec`` starts in it.

Source: OCI runtime specification, config.md, "Process".
"""

import resource
from collections.abc import Mapping
from types import MappingProxyType

from runtime.backends.native.bundle.refusals import BundleRefusedError, Refused
from runtime.backends.native.processes import CAPABILITIES
from runtime.canonical import Json
from runtime.data import dataclass
from runtime.oci.document import integer, items, member, text, texts
from runtime.plan import User

# resource.h; Python has them under the same names.
RLIMITS = MappingProxyType({name: getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")})

# Without a user namespace these are rights over the machine: mounting, tracing, modules, raw devices, any file.
OF_THE_MACHINE = frozenset(
    {
        "audit_control",
        "bpf",
        "checkpoint_restore",
        "dac_read_search",
        "linux_immutable",
        "mac_admin",
        "mac_override",
        "perfmon",
        "sys_admin",
        "sys_boot",
        "sys_module",
        "sys_pacct",
        "sys_ptrace",
        "sys_rawio",
        "sys_time",
        "sys_tty_config",
        "syslog",
        "wake_alarm",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rlimit:
    """One rlimit: its number, and both its values (-1 is none)."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A program.

    Args:
        argv: the program and its arguments.
        environment: all of it.
        cwd: absolute.
        user: whom it runs as; ``home`` is ``cwd``, which is not made for it.
        umask: the file mode creation mask; None keeps 0022.
        bounding: capabilities that can ever be held, without ``CAP_``, in lower case.
        rlimits: in the document's order.
        no_new_privileges: the bit of that name.
        oom_score: ``oom_score_adj``; None leaves it.
        terminal: whether it gets a terminal of its own.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: str
    user: User
    umask: int | None
    bounding: tuple[str, ...]
    rlimits: tuple[Rlimit, ...]
    no_new_privileges: bool
    oom_score: int | None
    terminal: bool


def read_process(value: Json, *, in_user_namespace: bool) -> Process:
    """Return the program that a document asks for.

    Raises:
        RefusedError: a value has another type than the specification says.
        BundleRefusedError: it asks for something that is refused.
    """
    if not value:
        raise BundleRefusedError(Refused.PROCESS, "it has no process")
    argv = texts(member(value, "args", "process"), "process.args")
    if not argv or not argv[0] or any("\0" in each for each in argv):
        raise BundleRefusedError(Refused.PROCESS, "process.args is empty or holds a NUL")
    cwd = text(member(value, "cwd", "process"), "process.cwd")
    if not cwd.startswith("/") or "\0" in cwd:
        raise BundleRefusedError(Refused.PATH, f"process.cwd is {cwd[:80]!r}")
    _refuse(value)
    oom_score = member(value, "oomScoreAdj", "process")
    user = member(value, "user", "process") or {}
    umask = member(user, "umask", "user")
    return Process(
        argv=argv,
        environment=_environment(texts(member(value, "env", "process"), "process.env")),
        cwd=cwd,
        user=_user(user, cwd),
        umask=None if umask is None else integer(umask, "user.umask") & 0o777,
        bounding=_capabilities(member(value, "capabilities", "process") or {}, in_user_namespace=in_user_namespace),
        rlimits=_rlimits(member(value, "rlimits", "process")),
        no_new_privileges=member(value, "noNewPrivileges", "process") is True,
        oom_score=None if oom_score is None else integer(oom_score, "process.oomScoreAdj"),
        terminal=member(value, "terminal", "process") is True,
    )


def _refuse(value: Json) -> None:
    for key in ("apparmorProfile", "selinuxLabel"):
        if member(value, key, "process"):
            raise BundleRefusedError(Refused.LABEL, f"it has process.{key}")
    for key in ("scheduler", "ioPriority", "execCPUAffinity"):
        if member(value, key, "process"):
            raise BundleRefusedError(Refused.SCHEDULING, f"it has process.{key}")


def _environment(lines: tuple[str, ...]) -> Mapping[str, str]:
    found = {}
    for line in lines:
        name, sign, value = line.partition("=")
        if not name or not sign or "\0" in line:
            raise BundleRefusedError(Refused.PROCESS, f"process.env has {line[:80]!r}")
        found[name] = value
    return MappingProxyType(found)


def _user(value: Json, home: str) -> User:
    ids = [integer(member(value, key, "user") or 0, f"user.{key}") for key in ("uid", "gid")]
    groups = [integer(each, "user.additionalGids") for each in items(member(value, "additionalGids", "user"), "groups")]
    if any(not 0 <= each < 2**32 - 1 for each in (*ids, *groups)):
        raise BundleRefusedError(Refused.PROCESS, "an id of process.user is none of Linux")
    return User(uid=ids[0], gid=ids[1], groups=tuple(sorted(set(groups))), home=home)


def _capabilities(value: Json, *, in_user_namespace: bool) -> tuple[str, ...]:
    for key in ("inheritable", "ambient"):
        if items(member(value, key, "capabilities"), key):
            raise BundleRefusedError(Refused.CAPABILITY_INHERITED, f"process.capabilities.{key} is not empty")
    found = set()
    for key in ("bounding", "effective", "permitted"):
        for each in texts(member(value, key, "capabilities"), f"capabilities.{key}"):
            name = each.removeprefix("CAP_").lower()
            if name not in CAPABILITIES:
                raise BundleRefusedError(Refused.CAPABILITY, f"process.capabilities has {each[:40]!r}")
            if name in OF_THE_MACHINE and not in_user_namespace:
                raise BundleRefusedError(Refused.CAPABILITY_OF_THE_MACHINE, f"{each} without a user namespace")
            if key == "bounding":
                found.add(name)
    return tuple(sorted(found))


def _rlimits(value: Json) -> tuple[Rlimit, ...]:
    found: dict[str, Rlimit] = {}
    for each in items(value, "process.rlimits"):
        name = text(member(each, "type", "rlimits"), "the type of an rlimit")
        if name not in RLIMITS or name in found:
            raise BundleRefusedError(Refused.RLIMIT, f"process.rlimits has {name[:40]!r}{' twice' * (name in found)}")
        soft, hard = (_limit(member(each, key, name), name) for key in ("soft", "hard"))
        found[name] = Rlimit(name=name, soft=soft, hard=hard)
    return tuple(found.values())


def _limit(value: Json, name: str) -> int:
    number = integer(value, name)
    return -1 if number < 0 or number >= 2**63 else number
