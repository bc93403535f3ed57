"""``Mount``: one mount of a bundle, its options read into flags of the kernel.

Source: OCI runtime specification, config.md, "Mounts"; mount(8) for the options.
"""

import re
from types import MappingProxyType

from runtime.backends.native.bundle.refusals import BundleRefusedError, Refused
from runtime.backends.native.mounts import MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_RDONLY
from runtime.canonical import Json
from runtime.data import dataclass
from runtime.oci.document import member, text, texts

KINDS = frozenset({"proc", "sysfs", "tmpfs", "devpts", "mqueue", "bind", "cgroup"})

_FLAGS = MappingProxyType(
    {
        "ro": MS_RDONLY,
        "nosuid": MS_NOSUID,
        "nodev": MS_NODEV,
        "noexec": MS_NOEXEC,
        "noatime": MS_NOATIME,
        "nodiratime": MS_NODIRATIME,
    }
)
# What is so anyhow, or changes nothing that a program may rely on.
_NEUTRAL = frozenset(
    {
        "defaults",
        "rw",
        "suid",
        "dev",
        "exec",
        "atime",
        "diratime",
        "relatime",
        "strictatime",
        "private",
        "rprivate",
        "async",
    }
)
_DATA = MappingProxyType(
    {
        "tmpfs": re.compile(r"(size|nr_inodes|nr_blocks)=\d+[kmgKMG]?|(mode|uid|gid)=\d+"),
        "devpts": re.compile(r"newinstance|(ptmxmode|mode|gid|uid|max)=\d+"),
    }
)
_SIZE = "size=1g"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One mount.

    Args:
        destination: absolute path inside.
        kind: one of ``KINDS``.
        source: path on this machine, for ``bind``.
        flags: ``MS_RDONLY`` and its like.
        data: options of the file system itself.
        recursive: whether a bind takes along what is mounted below its source.
        copy_up: whether the destination must be empty (a copy into a tmpfs is not made).
    """

    destination: str
    kind: str
    source: str = ""
    flags: int = 0
    data: str = ""
    recursive: bool = False
    copy_up: bool = False


def read_mount(value: Json, what: str) -> Mount:
    """Return one mount of a document.

    Raises:
        RefusedError: a value has another type than the specification says.
        BundleRefusedError: it asks for something that is refused.
    """
    options = texts(member(value, "options", what), f"{what}.options")
    bound = {"bind", "rbind"} & set(options)
    kind = "bind" if bound else text(member(value, "type", what) or "none", f"{what}.type")
    kind = "cgroup" if kind == "cgroup2" else kind
    if kind not in KINDS:
        raise BundleRefusedError(Refused.MOUNT_TYPE, f"{what} is of type {kind[:40]!r}")
    destination = _destination(text(member(value, "destination", what), f"{what}.destination"), kind, what)
    flags, data = _options([each for each in options if each not in ("bind", "rbind", "tmpcopyup")], kind, what)
    source = text(member(value, "source", what) or "", f"{what}.source")
    if kind == "bind" and (not source or "\0" in source):
        raise BundleRefusedError(Refused.PATH, f"{what}.source is {source[:80]!r}")
    if kind == "cgroup" and not flags & MS_RDONLY:
        raise BundleRefusedError(Refused.MOUNT_OPTION, f"{what} is a writable cgroup file system")
    return Mount(
        destination=destination,
        kind=kind,
        source=source if kind == "bind" else "",
        flags=flags | (0 if kind == "devpts" else MS_NODEV),  # terminals are device nodes
        data=data,
        recursive="rbind" in options,
        copy_up="tmpcopyup" in options,
    )


def _destination(path: str, kind: str, what: str) -> str:
    parts = [each for each in path.split("/") if each not in ("", ".")]
    if not path.startswith("/") or "\0" in path or ".." in parts:
        raise BundleRefusedError(Refused.PATH, f"{what}.destination is {path[:80]!r}")
    clean = "/" + "/".join(parts)
    own = {"proc": "/proc", "sysfs": "/sys", "cgroup": "/sys/fs/cgroup"}.get(kind)
    if (own or clean) != clean or (not own and (not parts or parts[0] in ("proc", "sys"))):
        raise BundleRefusedError(Refused.MOUNT_PLACE, f"{what} is a {kind} at {clean!r}")
    return clean


def _options(options: list[str], kind: str, what: str) -> tuple[int, str]:
    flags, data = 0, []
    for each in options:
        if each in _FLAGS:
            flags |= _FLAGS[each]
        elif each in ("shared", "rshared", "slave", "rslave", "unbindable", "runbindable"):
            raise BundleRefusedError(Refused.PROPAGATION, f"{what} has the option {each!r}")
        elif kind in _DATA and _DATA[kind].fullmatch(each):
            data.append(each)
        elif each not in _NEUTRAL:
            raise BundleRefusedError(Refused.MOUNT_OPTION, f"{what}, a {kind}, has the option {each[:40]!r}")
    if kind == "tmpfs" and not any(each.startswith(("size=", "nr_blocks=")) for each in data):
        data.append(_SIZE)
    return flags, ",".join(data)
