"""What the run's own namespaces and file systems are told beside what every run has."""
# ruff: noqa: PTH123 - no pathlib in the warm process

import os
import time
from contextlib import suppress

from runtime.backends.native import mounts, processes
from runtime.backends.native.folders import copy_folder, copy_into
from runtime.backends.native.mounts import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_REMOUNT
from runtime.backends.native.steps.step import Sandbox, Step
from runtime.backends.native.steps.tree import scratch_options
from runtime.backends.native.syscalls import call
from runtime.data import dataclass
from runtime.plan import EntryOrder, GroupsView, Plan

_SAFE = MS_NOSUID | MS_NODEV | MS_NOEXEC
_GROUPS = "/sys/fs/cgroup"
_SECOND = 1_000_000_000  # nanoseconds


@dataclass(frozen=True, slots=True)
class SetSysctl:
    """Set a switch of the kernel that belongs to one of the run's namespaces."""

    name: str
    value: str

    def describe(self) -> str:
        """Say it."""
        return f"set {self.name} to {self.value}"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Write it by this machine's /proc, which shows the namespaces of whoever looks; the run's is read-only."""
        descriptor = os.open(f"/proc/sys/{self.name.replace('.', '/')}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, self.value.encode())
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class HideProcesses:
    """Hide the processes of others in /proc."""

    def describe(self) -> str:
        """Say it."""
        return "hide the processes of others in /proc"

    def execute(self, sandbox: Sandbox) -> None:
        """Change the mount. Source: proc(5), "Mount options"."""
        with mounts.opened(sandbox.root, "/proc", os.O_PATH | os.O_DIRECTORY, links=False) as proc:
            mounts.mount_at("proc", proc, "proc", MS_REMOUNT | _SAFE, "hidepid=2")


@dataclass(frozen=True, slots=True)
class ShowGroups:
    """Mount the run's own control groups, read-only; it must be in them, and in a namespace of them, by then."""

    version: GroupsView

    def describe(self) -> str:
        """Say it."""
        return f"mount control groups {self.version.value} at {_GROUPS}, read-only"

    def execute(self, sandbox: Sandbox) -> None:
        """Mount the one hierarchy of v2, or each of v1 in a folder of its controllers' names, as systemd does."""
        if self.version is GroupsView.V2:
            with mounts.opened(sandbox.root, _GROUPS, links=False) as place:
                mounts.mount_at("cgroup2", place, "cgroup2", MS_RDONLY | _SAFE)
            return
        with mounts.opened(sandbox.root, _GROUPS, links=False) as place:
            mounts.mount_at("tmpfs", place, "tmpfs", _SAFE, "size=64k,mode=755")
        with mounts.opened(sandbox.root, _GROUPS, os.O_RDONLY | os.O_DIRECTORY, links=False) as place:
            for controllers in _hierarchies():
                os.mkdir(controllers, 0o755, dir_fd=place)
                for each in controllers.split(",") if "," in controllers else ():
                    os.symlink(controllers, each, dir_fd=place)
                with mounts.opened(place, controllers, links=False) as folder:
                    mounts.mount_at("cgroup", folder, "cgroup", MS_RDONLY | _SAFE, controllers)
            mounts.remount_read_only(place)


@dataclass(frozen=True, slots=True)
class SetClocks:
    """Let both clocks since boot show a time, in a time namespace."""

    uptime: int

    def describe(self) -> str:
        """Say it."""
        return f"let the machine have been up for {self.uptime or 'as many'} seconds"

    def execute(self, sandbox: Sandbox) -> None:
        """Make the namespace, set it while nobody is in it, and enter it. Source: time_namespaces(7)."""
        processes.unshare(processes.CLONE_NEWTIME)
        clocks = {"monotonic": time.CLOCK_MONOTONIC, "boottime": time.CLOCK_BOOTTIME}
        wanted = self.uptime * _SECOND
        ahead = {name: wanted - time.clock_gettime_ns(each) if wanted else 0 for name, each in clocks.items()}
        processes.prctl(processes.PR_SET_DUMPABLE, 1)  # else the file is that of root of this machine
        with open("/proc/self/timens_offsets", "w", encoding="ascii") as file:
            file.writelines(f"{name} {each // _SECOND} {each % _SECOND}\n" for name, each in ahead.items())
        processes.be_opaque()
        descriptor = os.open("/proc/self/ns/time_for_children", os.O_RDONLY | os.O_CLOEXEC)
        try:
            processes.enter(descriptor, processes.CLONE_NEWTIME)
        finally:
            os.close(descriptor)
        sandbox.clock = ahead["monotonic"]


@dataclass(frozen=True, slots=True)
class SetPersonality:
    """Set the execution domain, which programs inherit."""

    bits: int

    def describe(self) -> str:
        """Say it."""
        return f"set the execution domain to {self.bits:#x}"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Set it. Source: personality(2)."""
        call("personality", self.bits)


@dataclass(frozen=True, slots=True)
class RemakeFolder:
    """Make a folder and all below it anew in the run's own layer, in a given order."""

    path: str
    entries: EntryOrder

    def describe(self) -> str:
        """Say it."""
        order = "" if self.entries is EntryOrder.AS_IS else f", so that it lists {self.entries.value}"
        return f"make {self.path} anew in the run's own layer{order}"

    def execute(self, sandbox: Sandbox) -> None:
        """Copy it beside itself, and let the copy take its place."""
        copy_folder(sandbox.root, self.path, self.entries)


@dataclass(frozen=True, slots=True)
class MountVolume:
    """Make a folder a file system of its own, with what is in it."""

    path: str
    entries: EntryOrder

    def describe(self) -> str:
        """Say it."""
        return f"make {self.path} a tmpfs of its own, with what is in it"

    def execute(self, sandbox: Sandbox) -> None:
        """Fill a tmpfs elsewhere, and show it there; nothing happens if the folder is missing."""
        os.mkdir("volume", 0o755, dir_fd=sandbox.scratch)
        with mounts.opened(sandbox.scratch, "volume") as place:
            mounts.mount_at("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, scratch_options())
        with mounts.opened(sandbox.scratch, "volume", os.O_RDONLY | os.O_DIRECTORY) as volume:
            with (
                suppress(FileNotFoundError),
                mounts.opened(sandbox.root, self.path, os.O_RDONLY | os.O_DIRECTORY) as folder,
            ):
                copy_into(folder, volume, self.entries)
            with mounts.directory(sandbox.root, self.path) as target:
                mounts.bind(volume, target)


@dataclass(frozen=True, slots=True)
class LeaveRoom:
    """Let the tree take only so many bytes more; all that is laid into it must be there."""

    room: int

    def describe(self) -> str:
        """Say it."""
        return f"leave {self.room} bytes for what the run writes"

    def execute(self, sandbox: Sandbox) -> None:
        """Make the tmpfs that catches what is written as small as that."""
        found = os.fstatvfs(sandbox.scratch)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize  # never 0, which would be no limit
        with mounts.opened(sandbox.scratch, ".", os.O_PATH | os.O_DIRECTORY) as place:
            mounts.mount_at(None, place, None, MS_REMOUNT | MS_NOSUID | MS_NODEV, f"size={used + self.room}")


def remade(plan: Plan) -> tuple[Step, ...]:
    """Return the step that makes the working folder anew, where the plan asks for that; before all other mounts."""
    tuning = plan.tuning
    if not (tuning.volume or tuning.renames_folders) and tuning.entries is EntryOrder.AS_IS:
        return ()
    # Where a factor shows the folder at a second place, it is not there yet, and will be the same folder.
    place = next((each.source for each in plan.binds if each.path == plan.workdir), plan.workdir)
    return ((MountVolume if tuning.volume else RemakeFolder)(place, tuning.entries),)


def settings(plan: Plan) -> tuple[Step, ...]:
    """Return the steps that need this machine's /proc, and rights over the run's namespaces."""
    hiding = (HideProcesses(),) if plan.tuning.hides_processes else ()
    return (*(SetSysctl(name, value) for name, value in sorted(plan.tuning.sysctls.items())), *hiding)


def inherited(plan: Plan) -> tuple[Step, ...]:
    """Return the steps that change the process itself and whatever it starts."""
    tuning = plan.tuning
    return (
        *((SetClocks(tuning.uptime),) if tuning.uptime is not None else ()),
        *((SetPersonality(tuning.personality),) if tuning.personality else ()),
    )


def _hierarchies() -> list[str]:
    """Return the controllers of each hierarchy of v1 that this process is in, sorted."""
    with open("/proc/self/cgroup", encoding="ascii", errors="replace") as file:
        found = [line.split(":")[1] for line in file]
    return sorted(each for each in found if each and "=" not in each)
