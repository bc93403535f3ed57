"""From a bundle to the steps that carry it out: pure, so that it can be shown and tested without a kernel."""

from collections.abc import Iterator

from runtime.backends.native.bundle.document import Bundle
from runtime.backends.native.bundle.mounting import Mount
from runtime.backends.native.bundle.process import Process
from runtime.backends.native.bundle.steps import (
    AddFlags,
    BringUpLoopback,
    MountFresh,
    OutliveCreate,
    SetDomainname,
    SetOomScore,
    SetRlimit,
    SetSysctl,
    ShowGroups,
    ShowSource,
)
from runtime.backends.native.mounts import MS_NODEV, MS_RDONLY
from runtime.backends.native.steps.kernel_files import ForbidWriting, MakeDevices, Mask, MountKernel
from runtime.backends.native.steps.rights import (
    BecomeUser,
    BoundCapabilities,
    FilterCalls,
    NoNewPrivileges,
    SetMask,
)
from runtime.backends.native.steps.step import Step
from runtime.backends.native.steps.surroundings import SetHostname
from runtime.backends.native.steps.tree import EnterFolder, MakeFolder, Pivot, PrivateMounts, Scratch, UseTree

_UMASK = 0o022


def steps_of_tree(bundle: Bundle) -> tuple[Step, ...]:
    """Return the steps up to the moment in which the container's process leaves this machine's tree."""
    read_only = [each.destination for each in bundle.mounts if each.kind == "tmpfs" and each.flags & MS_RDONLY]
    return (
        PrivateMounts(),
        Scratch(),
        UseTree(),
        AddFlags("/", MS_NODEV),
        *(step for at, each in enumerate(bundle.mounts) for step in _mount(at, each)),
        MakeFolder(bundle.process.cwd, 0, 0),
        *((BringUpLoopback(),) if bundle.owns("network") else ()),
        *(SetSysctl(name, value) for name, value in sorted(bundle.sysctls.items())),
        *(Mask(path, sealed=True) for path in bundle.masked),
        *map(ForbidWriting, bundle.read_only_paths),
        *(AddFlags(path, MS_RDONLY) for path in read_only),
        *((AddFlags("/", MS_RDONLY),) if bundle.read_only else ()),
        *((SetHostname(bundle.hostname),) if bundle.hostname else ()),
        *((SetDomainname(bundle.domainname),) if bundle.domainname else ()),
        *_score(bundle.process),
    )


def steps_of_first_process(bundle: Bundle, program: bytes) -> tuple[Step, ...]:
    """Return the steps from leaving this machine's tree up to the start of the program.

    Args:
        bundle: what to carry out.
        program: the compiled filter of system calls; empty for none.
    """
    return (Pivot(), *steps_of_process(bundle.process, program), OutliveCreate())


def steps_of_process(process: Process, program: bytes) -> tuple[Step, ...]:
    """Return the steps by which a process that is inside gives up its rights and is ready to start its program."""
    held = process.bounding if process.user.uid == 0 else ()
    filters = (FilterCalls("of the bundle", 0, program),) if program else ()
    # Without no_new_privs only a process that still holds CAP_SYS_ADMIN may load a filter. Source: seccomp(2).
    early, late = ((), (NoNewPrivileges(), *filters)) if process.no_new_privileges else (filters, ())
    return (
        EnterFolder(process.cwd),
        *map(SetRlimit, process.rlimits),
        SetMask(_UMASK if process.umask is None else process.umask),
        BoundCapabilities(process.bounding),
        *early,
        BecomeUser(process.user, held),
        *late,
    )


def _score(process: Process) -> Iterator[Step]:
    if process.oom_score is not None:
        yield SetOomScore(process.oom_score)


def _mount(index: int, mount: Mount) -> Iterator[Step]:
    match mount.kind:
        case "bind":
            yield ShowSource(index, mount)
        case "cgroup":
            yield ShowGroups(mount.destination)
        case "tmpfs" if mount.destination == "/dev":
            yield MountKernel("/dev", "tmpfs", mount.flags & ~MS_RDONLY, mount.data)
            yield MakeDevices(sealed=True)
        case "tmpfs":
            yield MountFresh(mount)
        case kind:
            yield MountKernel(mount.destination, kind, mount.flags, mount.data)
