"""From a plan to the steps that carry it out: pure, so that it can be shown and tested without a kernel."""

from collections.abc import Sequence

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
    MountVolume,
    Pivot,
    PrivateMounts,
    ReadOnlyRoot,
    Scratch,
    SetAttributes,
    StackLayers,
    StackUnderTree,
    UseTree,
)
from runtime.backends.native.steps.tuning import LeaveRoom, ShowGroups, inherited, remade, settings
from runtime.oci.owners import ROOT
from runtime.plan import MIB, OUT, File, GroupsView, Plan, RootFilesystem, Tmpfs

_OUT = Tmpfs(path=OUT, size=64 * MIB, executable=False)
_FOLDER = 0o755
_CPU_LISTS = tuple(f"/sys/devices/system/cpu/{name}" for name in ("online", "possible", "present"))


def steps_outside(
    plan: Plan,
    machine: Machine,
    *,
    layers: int,
    is_kept: bool = False,
    one_id: bool = False,
    volumes: Sequence[str] = (),
) -> tuple[Step, ...]:
    """Return the steps up to the moment in which the process leaves this machine's tree.

    Args:
        plan: what to carry out.
        machine: what this machine is.
        layers: how many layers are stacked; 0 uses a given folder as the root.
        is_kept: whether what is written stays in a given folder; there is no folder for results then.
        one_id: whether the kernel has one id only.
        volumes: where the run has folders of this machine.
    """
    owner, shown = (plan.user.uid, plan.user.gid), _shown(_FOLDER, plan, one_id=one_id)
    ahead = steps_ahead(plan, layers=layers, is_kept=is_kept, one_id=one_id)
    if one_id:
        owner, plan = ROOT, as_one_id(plan)
    return (
        *ahead,
        *settings(plan),
        *_own_files(plan),
        *remade(plan),
        *map(MountTmpfs, plan.tmpfs),
        *map(MountBind, plan.binds),
        *(MountVolume(number, path) for number, path in enumerate(volumes)),
        MakeFolder(plan.user.home, *owner, _FOLDER),
        MakeFolder(plan.workdir, *ROOT, shown),
        *map(LayFile, kernel_files(plan, machine)),
        *((ReadOnlyRoot(),) if plan.root_filesystem is RootFilesystem.READ_ONLY else ()),
        SetHostname(plan.hostname),
        *((LeaveRoom(plan.tuning.room),) if plan.tuning.room is not None else ()),
    )


def steps_ahead(plan: Plan, *, layers: int, is_kept: bool = False, one_id: bool = False) -> tuple[Step, ...]:
    """Return the first of ``steps_outside``: what nearly every plan has alike, and can be done before its order comes.

    The kernel's file systems are masked before a path of the plan is looked at: none can lead behind a mask.
    """
    folder = _shown(_FOLDER, plan, one_id=one_id)
    return (
        *((SetMask(_FOLDER & ~folder),) if folder != _FOLDER else ()),
        *_stacked(layers, is_kept=is_kept),
        *kernel_mounts(dev_mode=folder, has_tty_group=not one_id),
        *((RegisterEmulator(plan.architecture),) if plan.architecture else ()),
        *map(Mask, MASKED),
        *map(ForbidWriting, READ_ONLY),
        *((MountTmpfs(_OUT),) if layers and not is_kept else ()),
        SetNetwork(plan.network.state, plan.network.ipv6),
    )


def steps_of_tree(plan: Plan, *, layers: int) -> tuple[Step, ...]:
    """Return the first steps: up to a tree that has the plan's own files and nothing of the kernel's."""
    return (*_stacked(layers), *_own_files(plan), *remade(plan))


def kernel_files(plan: Plan, machine: Machine) -> tuple[File, ...]:
    """Return the files that are mounted over those of kernel file systems."""
    return (*_fewer_cpus(plan, machine), *(each for each in plan.files if each.over))


def steps_inside(
    plan: Plan, machine: Machine, program: bytes, *, heard: bytes = b"", one_id: bool = False
) -> tuple[Step, ...]:
    """Return the steps from leaving this machine's tree up to the start of the program.

    Args:
        plan: what to carry out.
        machine: what this machine is.
        program: the compiled filter of system calls; empty for none.
        heard: the same with a listener; empty for none.
        one_id: whether the kernel has one id only.
    """
    held = plan.capabilities if plan.user.uid == 0 else ()
    filters = (FilterCalls(plan.seccomp, len(plan.denials), program, heard),) if program else ()
    limits = {**plan.limits.resources, "nofile": plan.limits.open_files}
    # Without no_new_privs only a process that still holds CAP_SYS_ADMIN may load a filter. Source: seccomp(2).
    early, late = ((), (NoNewPrivileges(), *filters)) if plan.no_new_privileges else (filters, ())
    groups = plan.tuning.groups
    return (
        *((ShowGroups(groups),) if groups is not GroupsView.NONE else ()),
        *inherited(plan),
        Pivot(),
        EnterFolder(plan.workdir),
        *(SetLimit(name, value) for name, value in sorted(limits.items())),
        UseCpus(plan.limits.cpus, machine.cpus),
        SetMask(plan.umask),
        *((BeSeenAs(plan.user.uid, plan.user.gid),) if one_id and not is_root(plan.user) else ()),
        BoundCapabilities(plan.capabilities),
        *early,
        BecomeUser(plan.user, held),
        *late,
    )


def _stacked(layers: int, *, is_kept: bool = False) -> tuple[Step, ...]:
    kept = StackUnderTree(layers) if layers else UseTree()
    return (PrivateMounts(), Scratch(), StackLayers(layers) if layers and not is_kept else kept)


def _own_files(plan: Plan) -> tuple[Step, ...]:
    return (*(LayFile(each) for each in plan.files if not each.over), *map(SetAttributes, plan.attributes))


def _shown(mode: int, plan: Plan, *, one_id: bool) -> int:
    """Return the mode of a folder that is root's, as it must be where root's id is the only one."""
    return seen_mode(mode, ROOT, plan.user) if one_id else mode


def _fewer_cpus(plan: Plan, machine: Machine) -> tuple[File, ...]:
    count = plan.limits.cpus
    if count >= machine.shown:
        return ()
    numbers = b"0\n" if count == 1 else f"0-{count - 1}\n".encode()
    cpuinfo = File(path="/proc/cpuinfo", content=cpuinfo_of(machine, count).encode(), mode=0o444, over=True)
    return (cpuinfo, *(File(path=path, content=numbers, mode=0o444, over=True) for path in _CPU_LISTS))
