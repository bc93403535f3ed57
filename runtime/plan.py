"""``Plan``: values only, all that decides one run.

A plan names no machine: no path of this one, no host, no backend. Its digest names the run. A factor turns one plan
into another; a backend turns a plan into what the kernel is asked for.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from runtime.canonical import Json, to_text
from runtime.data import dataclass, field, fields, is_dataclass
from runtime.digest import Digest

OUT = "/.seatrial/out"
"""The one folder that every run may write whatever its root file system is: results are streamed there."""

MOVED = "/.seatrial/moved-from"
"""Says where the working folder of a run lies by the spec, where a factor has it elsewhere."""

SELECTION = "/.seatrial/select.json"
"""Where the plug-ins look for the test ids to run; without this file they run all."""

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

ORDER = "/.seatrial/order"
"""Says in which order the tests run; without this file, as they are written."""

TRACED = "/.seatrial/traced"
"""A run that finds a file here is traced: it is made to see what it touches, and how it behaves counts for nothing."""

PYTEST_RESULTS = f"{OUT}/pytest.jsonl"
"""Where the plug-in of pytest writes: the ``results`` of a plan whose suite has it."""


class RootFilesystem(StrEnum):
    """Whether a run may write to the image's tree (its own private copy of it)."""

    WRITABLE = "writable"
    READ_ONLY = "read-only"


class Stdin(StrEnum):
    """What a run finds on descriptor 0."""

    NULL = "null"
    CLOSED = "closed"
    INHERITED = "inherited"


class FirstProcess(StrEnum):
    """What is process 1: a small init that reaps and forwards signals, or the program itself."""

    INIT = "init"
    APP = "app"


class NetworkState(StrEnum):
    """``none``: no interface is up. ``loopback``: only lo. ``route``: one more, with a default route to nowhere."""

    NONE = "none"
    LOOPBACK = "loopback"
    ROUTE = "route"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who the program runs as, in the ids of the image.

    Args:
        uid: user id.
        gid: primary group id.
        groups: supplementary group ids, sorted.
        home: the absolute path of the home folder; the run makes it if it is missing, owned by this user.
        named: whether /etc/passwd of the image has an entry for ``uid``.
    """

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str
    named: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Tmpfs:
    """A fresh tmpfs in the run.

    Args:
        path: absolute mount point; made if it is missing.
        size: bytes.
        mode: permission bits of its root.
        executable: False mounts it ``noexec``.
        uid: owner of its root.
        gid: group of its root.
    """

    path: str
    size: int
    mode: int = 0o1777
    executable: bool = True
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A path of the run's own tree that is shown at a second place.

    Args:
        source: absolute path in the run.
        path: absolute mount point; made if it is missing.
        writable: False makes the second view read-only.
    """

    source: str
    path: str
    writable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file, or a symbolic link, laid into the run's own copy of the tree before it starts, owned by root.

    Args:
        path: absolute; missing parents are made with mode 0755.
        content: bytes of a regular file; ignored for a link.
        mode: permission bits of a regular file.
        link: the target of a symbolic link; empty for a regular file.
        over: True mounts the content over a path of a kernel file system (such as /proc/cpuinfo) instead.
    """

    path: str
    content: bytes = b""
    mode: int = 0o644
    link: str = ""
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """Owner and mode given to one folder of the run's own copy of the tree before it starts."""

    path: str
    uid: int
    gid: int
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A system call that answers with an errno instead of being carried out.

    Args:
        syscall: its name on x86_64, such as ``clone3``.
        errno: the number that it fails with; 0 lets it do nothing and succeed.
        arguments: index → value that must be equal for the denial to hold; empty means always.
    """

    syscall: str
    errno: int
    arguments: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a run may use. ``None`` is no limit of its own.

    Args:
        memory: bytes of memory and swap together, over all of the run's processes.
        processes: processes and threads.
        cpu_quota: CPU time in percent of one CPU (150 is one and a half).
        cpus: how many CPUs it may use, and sees.
        open_files: RLIMIT_NOFILE, soft and hard.
        resources: other rlimits, soft and hard, by their name in lower case without ``RLIMIT_``: ``core``, ``fsize``.
    """

    memory: int | None = 2 * GIB
    processes: int | None = 4096
    cpu_quota: int | None = None
    cpus: int = 2
    open_files: int = 1024
    resources: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({"core": 0}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The run's own network.

    Args:
        state: which interfaces are up.
        ipv6: whether IPv6 addresses can be had (``disable_ipv6`` is 0).
    """

    state: NetworkState = NetworkState.LOOPBACK
    ipv6: bool = True


class GroupsView(StrEnum):
    """What is mounted at /sys/fs/cgroup of a run: nothing, or its own control groups of one version, read-only."""

    NONE = "none"
    V1 = "v1"
    V2 = "v2"


class EntryOrder(StrEnum):
    """In which order the folders of the working folder list what is in them."""

    AS_IS = "as-is"
    SORTED = "sorted"
    REVERSE = "reverse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What the run's own namespaces and file systems are told beside what every run has.

    Args:
        sysctls: name → value, of those that belong to a namespace: ``net.``, ``user.`` and two of ``kernel.``.
        uptime: seconds that both clocks since boot show when the program starts; None for this machine's, 0 for this
            machine's in a time namespace of the run's own.
        personality: bits of the execution domain, linux/personality.h.
        hides_processes: whether /proc hides the processes of others.
        groups: what is mounted at /sys/fs/cgroup.
        room: bytes that the run may still write into its tree; None for as much as there is.
        renames_folders: whether folders of the image below the working folder can be renamed.
        entries: in which order these folders list what is in them.
        volume: whether the working folder is a file system of its own.
    """

    sysctls: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    uptime: int | None = None
    personality: int = 0
    hides_processes: bool = False
    groups: GroupsView = GroupsView.NONE
    room: int | None = None
    renames_folders: bool = False
    entries: EntryOrder = EntryOrder.AS_IS
    volume: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The image and the suite as they were built for one architecture.

    Args:
        architecture: as an image's config has it: ``arm64``.
        image: digest of the image's manifest.
        suite: digest of the suite tree's manifest.
    """

    architecture: str
    image: Digest
    suite: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """When a service is ready.

    Args:
        port: it accepts connections on this port of 127.0.0.1.
        within: milliseconds after its start; a service that needs longer is an error.
    """

    port: int
    within: int = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Another image that runs beside the suite, on the same network; no host is applied to it.

    Args:
        name: by which it is reached, and told of.
        image: digest of its image's manifest.
        argv: the program and its arguments.
        workdir: absolute working folder.
        environment: the variables of its image and of the spec.
        user: who runs it.
        ready: when the suite may begin; None for as soon as the program has begun.
        limits: what it may use, apart from what the suite may.
    """

    name: str
    image: Digest
    argv: tuple[str, ...]
    workdir: str = "/"
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    user: User
    ready: Ready | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that decides one run.

    Args:
        image: digest of the image's manifest.
        suite: digest of the suite tree's manifest, stacked over the image for this run only; None for none.
        argv: the program and its arguments; a program without ``/`` is looked for along ``environment["PATH"]``.
        workdir: absolute working folder.
        environment: the whole environment, nothing is added to it.
        user: who runs it.
        capabilities: names without ``CAP_`` in lower case: the bounding set; also permitted and effective if uid is 0.
        no_new_privileges: the bit of that name.
        seccomp: name of the profile: ``default`` or ``unconfined``.
        denials: system calls denied on top of the profile, first match wins.
        root_filesystem: whether the tree can be written.
        tmpfs: fresh file systems, mounted in this order.
        binds: second views of paths, mounted after ``tmpfs``.
        files: laid into the tree before all mounts.
        attributes: given to folders after the files.
        limits: what the run may use.
        network: its own network.
        hostname: UTS node name; /etc/hosts is among ``files``.
        umask: the file mode creation mask.
        stdin: what is on descriptor 0.
        terminal: whether stdout and stderr are terminals, and stdin too where it would be ``null``.
        first_process: what is process 1.
        ignored_signals: numbers of the signals whose disposition is "ignore" when the program starts.
        deadline: milliseconds of wall time until the whole run is killed.
        artifacts: glob patterns relative to ``workdir`` of files whose digests are behavior.
        results: absolute path of a file that is brought out whole (up to 64 MiB) after the run; empty for none.
        levels: factor name → level, for every factor that differs from its default.
        architecture: of the image's programs where it is not this machine's; empty where it is.
        variants: what a host can choose of; none is left when a host was applied.
        services: other images that run beside the suite, in the order of their start.
        tuning: what the kernel is told of this run beside what every run has.
        grace: milliseconds that processes which the program leaves behind have to heed SIGTERM; 0 kills them at once.
    """

    image: Digest
    suite: Digest | None
    argv: tuple[str, ...]
    workdir: str
    environment: Mapping[str, str]
    user: User
    capabilities: tuple[str, ...]
    no_new_privileges: bool = True
    seccomp: str = "default"
    denials: tuple[Denial, ...] = ()
    root_filesystem: RootFilesystem = RootFilesystem.WRITABLE
    tmpfs: tuple[Tmpfs, ...] = ()
    binds: tuple[Bind, ...] = ()
    files: tuple[File, ...] = ()
    attributes: tuple[Attributes, ...] = ()
    limits: Limits = field(default_factory=Limits)
    network: Network = field(default_factory=Network)
    hostname: str = "seatrial"
    umask: int = 0o022
    stdin: Stdin = Stdin.NULL
    terminal: bool = False
    first_process: FirstProcess = FirstProcess.INIT
    ignored_signals: tuple[int, ...] = ()
    deadline: int = 600_000
    artifacts: tuple[str, ...] = ()
    results: str = ""
    levels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    architecture: str = ""
    variants: tuple[Variant, ...] = ()
    services: tuple[Service, ...] = ()
    tuning: Tuning = field(default_factory=Tuning)
    grace: int = 0

    @property
    def is_traced(self) -> bool:
        """Whether the run is made to see what it touches."""
        return any(each.path == TRACED for each in self.files)

    @property
    def digest(self) -> Digest:
        """The digest of all values: two plans with the same digest ask for the same run.

        Services, tuning, terminals and grace are in it where there are any: a plan without has the digest that it had
        before they were.
        """
        values = {each.name: to_json(getattr(self, each.name)) for each in fields(self)}
        if not self.services:
            del values["services"]
        if self.tuning == Tuning():
            del values["tuning"]
        if not self.terminal:
            del values["terminal"]
        if not self.grace:
            del values["grace"]
        return Digest.of_json(values)


def to_json(value: object) -> Json:  # noqa: PLR0911 - one row a type
    """Return a plan, or any value in it, as JSON: dataclasses as objects, bytes by ``to_text``, digests as text."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return str(value)
        case bytes():
            return to_text(value)
        case Digest():
            return value.text
        case Mapping():
            return {str(key): to_json(item) for key, item in value.items()}
        case tuple() | list():
            return [to_json(item) for item in value]
        case _ if is_dataclass(value):
            return {each.name: to_json(getattr(value, each.name)) for each in fields(value)}
        case _:
            raise TypeError(f"a plan cannot hold {type(value).__name__}")
