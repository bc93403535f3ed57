"""From a plan to the steps that carry it out: pure, so that it can be shown and tested without a kernel."""

from runtime.backends.native.machine import Machine, cpuinfo_of
from runtime.backends.native.one_id import as_one_id, is_root, seen_mode
from runtime.backends.native.steps.kernel_files import (
    MASKED,
    READ_ONLY,
    ForbidWriting,
    Mask,
    RegisterEmulator,
    kernel_mounts,
)
from runtime.backends.native.steps.rights import (
    BecomeUser,
    BeSeenAs,
    BoundCapabilities,
    FilterCalls,
    NoNewPrivileges,
    SetLimit,
    SetMask,
    UseCpus,
)
from runtime.backends.native.steps.step import Step
from runtime.backends.native.steps.surroundings import SetHostname, SetNetwork
from runtime.backends.native.steps.tree import (
    EnterFolder,
    LayFile,
    MakeFolder,
    MountBind,
    MountTmpfs,
    Pivot,
    PrivateMounts,
    ReadOnlyRoot,
    Scratch,
    SetAttributes,
    StackLayers,
    UseTree,
)
from runtime.oci.owners import ROOT
from runtime.plan import MIB, OUT, File, Plan, RootFilesystem, Tmpfs

_OUT = Tmpfs(path=OUT, size=64 * MIB, executable=False)
_FOLDER = 0o755
_CPU_LISTS = tuple(f"/sys/devices/system/cpu/{name}" for name in ("online", "possible", "present"))


def steps_outside(plan: Plan, machine: Machine, *, layers: int, one_id: bool = False) -> tuple[Step, ...]:
    """Return the steps up to the moment in which the process leaves this machine's tree.

    Args:
        plan: what to carry out.
        machine: what this machine is.
        layers: how many layers are stacked; 0 uses a given folder as the root, without the results' folder.
        one_id: whether the kernel has one id only.
    """
    folder, owner = _FOLDER, (plan.user.uid, plan.user.gid)
    if one_id:
        folder, owner, plan = seen_mode(_FOLDER, ROOT, plan.user), ROOT, as_one_id(plan)
    return (
        *((SetMask(_FOLDER & ~folder),) if folder != _FOLDER else ()),
        *steps_of_tree(plan, layers=layers),
        *kernel_mounts(dev_mode=folder, has_tty_group=not one_id),
        *((RegisterEmulator(plan.architecture),) if plan.architecture else ()),
        *((MountTmpfs(_OUT),) if layers else ()),
        *map(MountTmpfs, plan.tmpfs),
        *map(MountBind, plan.binds),
        MakeFolder(plan.user.home, *owner, _FOLDER),
        MakeFolder(plan.workdir, *ROOT, folder),
        SetNetwork(plan.network.state, plan.network.ipv6),
        *map(LayFile, kernel_files(plan, machine)),
        *map(Mask, MASKED),
        *map(ForbidWriting, READ_ONLY),
        *((ReadOnlyRoot(),) if plan.root_filesystem is RootFilesystem.READ_ONLY else ()),
        SetHostname(plan.hostname),
    )


def steps_of_tree(plan: Plan, *, layers: int) -> tuple[Step, ...]:
    """Return the first steps: up to a tree that has the plan's own files and nothing of the kernel's."""
    return (
        PrivateMounts(),
        Scratch(),
        StackLayers(layers) if layers else UseTree(),
        *(LayFile(each) for each in plan.files if not each.over),
        *map(SetAttributes, plan.attributes),
    )


def kernel_files(plan: Plan, machine: Machine) -> tuple[File, ...]:
    """Return the files that are mounted over those of kernel file systems."""
    return (*_fewer_cpus(plan, machine), *(each for each in plan.files if each.over))


def steps_inside(plan: Plan, machine: Machine, program: bytes, *, one_id: bool = False) -> tuple[Step, ...]:
    """Return the steps from leaving this machine's tree up to the start of the program.

    Args:
        plan: what to carry out.
        machine: what this machine is.
        program: the compiled filter of system calls; empty for none.
        one_id: whether the kernel has one id only.
    """
    held = plan.capabilities if plan.user.uid == 0 else ()
    filters = (FilterCalls(plan.seccomp, len(plan.denials), program),) if program else ()
    limits = {**plan.limits.resources, "nofile": plan.limits.open_files}
    # Without no_new_privs only a process that still holds CAP_SYS_ADMIN may load a filter. Source: seccomp(2).
    early, late = ((), (NoNewPrivileges(), *filters)) if plan.no_new_privileges else (filters, ())
    return (
        Pivot(),
        EnterFolder(plan.workdir),
        *(SetLimit(name, value) for name, value in sorted(limits.items())),
        UseCpus(machine.cpus[: plan.limits.cpus]),
        SetMask(plan.umask),
        *((BeSeenAs(plan.user.uid, plan.user.gid),) if one_id and not is_root(plan.user) else ()),
        BoundCapabilities(plan.capabilities),
        *early,
        BecomeUser(plan.user, held),
        *late,
    )


def _fewer_cpus(plan: Plan, machine: Machine) -> tuple[File, ...]:
    count = plan.limits.cpus
    if count >= machine.shown:
        return ()
    numbers = b"0\n" if count == 1 else f"0-{count - 1}\n".encode()
    cpuinfo = File(path="/proc/cpuinfo", content=cpuinfo_of(machine, count).encode(), mode=0o444, over=True)
    return (cpuinfo, *(File(path=path, content=numbers, mode=0o444, over=True) for path in _CPU_LISTS))
