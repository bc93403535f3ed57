"""``Bundle``: what a bundle's config.json asks for, checked: hostile until then.

Source: OCI runtime specification, config.md and config-linux.md.
"""

from collections.abc import Mapping
from types import MappingProxyType

from runtime.backends.native.bundle.mounting import Mount, read_mount
from runtime.backends.native.bundle.process import Process, read_process
from runtime.backends.native.bundle.refusals import BundleRefusedError, Refused
from runtime.backends.native.bundle.resources import Resources, read_group_path, read_resources
from runtime.backends.native.idmap import Extent
from runtime.canonical import Json
from runtime.data import dataclass
from runtime.oci.document import integer, items, member, text, text_map, texts

NAMESPACES = ("user", "mount", "pid", "network", "ipc", "uts", "cgroup")

_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_SYSCTLS = (
    ("net.", "network"),
    ("kernel.msg", "ipc"),
    ("kernel.sem", "ipc"),
    ("kernel.shm", "ipc"),
    ("fs.mqueue.", "ipc"),
)
_MORE_THAN_WORDS = "/\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What a bundle asks for.

    Args:
        version: its ``ociVersion``.
        root: path of the root on this machine, relative to the bundle or absolute.
        read_only: whether the root may not be written.
        process: the program.
        mounts: in their order.
        namespaces: kind → path of one to join, empty for a new one; kinds that are missing are shared with the machine.
        users: map of user ids; empty without a user namespace.
        groups: map of group ids.
        hostname: of its own UTS namespace; empty to leave it.
        domainname: likewise.
        sysctls: name → value, all of namespaces that the container owns.
        masked: paths that are hidden.
        read_only_paths: paths that may not be written.
        resources: limits over all its processes.
        group: path of its control group below each hierarchy; empty if it does not say.
        seccomp: its filter as the document has it; None for none.
        annotations: passed on by ``state``.
    """

    version: str
    root: str
    read_only: bool
    process: Process
    mounts: tuple[Mount, ...]
    namespaces: Mapping[str, str]
    users: tuple[Extent, ...]
    groups: tuple[Extent, ...]
    hostname: str
    domainname: str
    sysctls: Mapping[str, str]
    masked: tuple[str, ...]
    read_only_paths: tuple[str, ...]
    resources: Resources
    group: str
    seccomp: Json
    annotations: Mapping[str, str]

    def owns(self, kind: str) -> bool:
        """Tell whether the container gets a new namespace of a kind."""
        return self.namespaces.get(kind) == ""


def read_bundle(document: Mapping[str, Json]) -> Bundle:
    """Return what a config.json asks for.

    Raises:
        RefusedError: a value has another type than the specification says.
        BundleRefusedError: it asks for something that is refused.
    """
    _refuse_elsewhere(document)
    linux = document.get("linux") or {}
    _refuse_in_linux(linux)
    namespaces = _namespaces(member(linux, "namespaces", "linux"))
    mounts = tuple(read_mount(each, f"mounts[{at}]") for at, each in enumerate(items(document.get("mounts"), "mounts")))
    if not any(each.destination == "/dev" and each.kind == "tmpfs" for each in mounts):
        raise BundleRefusedError(Refused.DEV_MISSING, "there is no tmpfs at /dev")
    root = document.get("root") or {}
    return Bundle(
        version=text(document.get("ociVersion"), "ociVersion"),
        root=_path(member(root, "path", "root"), "root.path", absolute=False),
        read_only=member(root, "readonly", "root") is True,
        process=read_process(document.get("process"), in_user_namespace="user" in namespaces),
        mounts=mounts,
        namespaces=namespaces,
        users=_extents(member(linux, "uidMappings", "linux"), "uidMappings", needed="user" in namespaces),
        groups=_extents(member(linux, "gidMappings", "linux"), "gidMappings", needed="user" in namespaces),
        hostname=_name(document.get("hostname"), "hostname", namespaces),
        domainname=_name(document.get("domainname"), "domainname", namespaces),
        sysctls=_sysctls(text_map(member(linux, "sysctl", "linux"), "linux.sysctl"), namespaces),
        masked=tuple(
            _path(each, "maskedPaths") for each in texts(member(linux, "maskedPaths", "linux"), "maskedPaths")
        ),
        read_only_paths=tuple(
            _path(each, "readonlyPaths") for each in texts(member(linux, "readonlyPaths", "linux"), "readonlyPaths")
        ),
        resources=read_resources(member(linux, "resources", "linux")),
        group=read_group_path(member(linux, "cgroupsPath", "linux")),
        seccomp=member(linux, "seccomp", "linux"),
        annotations=text_map(document.get("annotations"), "annotations"),
    )


def _refuse_elsewhere(document: Mapping[str, Json]) -> None:
    version = text(document.get("ociVersion"), "ociVersion")
    if not version.startswith("1."):
        raise BundleRefusedError(Refused.VERSION, f"ociVersion is {version[:40]!r}")
    for key in ("windows", "solaris", "vm", "zos"):
        if document.get(key):
            raise BundleRefusedError(Refused.PLATFORM, f"it has a section {key!r}")
    hooks = document.get("hooks") or {}
    for key in hooks if isinstance(hooks, Mapping) else ("hooks",):
        if not isinstance(hooks, Mapping) or hooks[key]:
            raise BundleRefusedError(Refused.HOOKS, f"it has hooks at {key!r}")


def _refuse_in_linux(linux: Json) -> None:
    propagation = member(linux, "rootfsPropagation", "linux") or "private"
    if propagation not in ("private", "rprivate"):
        raise BundleRefusedError(Refused.PROPAGATION, f"linux.rootfsPropagation is {propagation!r}")
    for key, feature in (
        ("mountLabel", Refused.LABEL),
        ("intelRdt", Refused.INTEL_RDT),
        ("personality", Refused.PERSONALITY),
    ):
        if member(linux, key, "linux"):
            raise BundleRefusedError(feature, f"it has linux.{key}")
    for each in items(member(linux, "devices", "linux"), "linux.devices"):
        path = text(member(each, "path", "linux.devices"), "linux.devices, path")
        numbers = (member(each, "major", path), member(each, "minor", path))
        if _DEVICES.get(path.removeprefix("/dev/")) != numbers or member(each, "type", path) != "c":
            raise BundleRefusedError(Refused.DEVICE, f"linux.devices has {path!r}")


def _namespaces(value: Json) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for each in items(value, "linux.namespaces"):
        kind = text(member(each, "type", "linux.namespaces"), "the type of a namespace")
        path = member(each, "path", "linux.namespaces")
        if kind not in NAMESPACES:
            raise BundleRefusedError(Refused.NAMESPACE_KIND, f"a namespace of type {kind!r}")
        if kind in found:
            raise BundleRefusedError(Refused.NAMESPACE_TWICE, f"two namespaces of type {kind!r}")
        found[kind] = _path(path, f"the path of namespace {kind}") if path else ""
    if found.get("user"):
        raise BundleRefusedError(Refused.USER_NAMESPACE_JOINED, f"the user namespace {found['user']!r}")
    for kind in ("mount", "pid"):
        if kind not in found or (kind == "mount" and found[kind]):
            raise BundleRefusedError(Refused.NAMESPACE_MISSING, f"no {kind} namespace of its own")
    return MappingProxyType(found)


def _extents(value: Json, what: str, *, needed: bool) -> tuple[Extent, ...]:
    found = tuple(
        Extent(*(integer(member(each, key, what), f"{what}, {key}") for key in ("containerID", "hostID", "size")))
        for each in items(value, what)
    )
    if needed and not found:
        raise BundleRefusedError(Refused.NAMESPACE_KIND, f"a new user namespace without {what}")
    return found if needed else ()


def _name(value: Json, what: str, namespaces: Mapping[str, str]) -> str:
    if not value:
        return ""
    name = text(value, what)
    if namespaces.get("uts") != "":
        raise BundleRefusedError(Refused.NAMESPACE_MISSING, f"{what} without a new uts namespace")
    if any(each in name for each in _MORE_THAN_WORDS) or len(name.encode()) > 64:  # linux/utsname.h: __NEW_UTS_LEN
        raise BundleRefusedError(Refused.PATH, f"{what} is {name[:80]!r}")
    return name


def _sysctls(found: Mapping[str, str], namespaces: Mapping[str, str]) -> Mapping[str, str]:
    for name in found:
        kind = next((kind for head, kind in _SYSCTLS if name.startswith(head)), None)
        if kind is None or namespaces.get(kind) != "" or "/" in name or ".." in name:
            raise BundleRefusedError(Refused.SYSCTL, f"linux.sysctl has {name!r}")
    return found


def _path(value: Json, what: str, *, absolute: bool = True) -> str:
    path = text(value, what)
    if not path or "\0" in path or (absolute and not path.startswith("/")):
        raise BundleRefusedError(Refused.PATH, f"{what} is {path[:80]!r}")
    return path
