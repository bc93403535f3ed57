"""The steps that only a bundle asks for; all others are the native backend's own."""

import errno
import os
import resource
from collections.abc import Mapping

from runtime.backends.native import mounts, network, processes
from runtime.backends.native.bundle.mounting import Mount
from runtime.backends.native.bundle.process import RLIMITS, Rlimit
from runtime.backends.native.bundle.refusals import BundleRefusedError, Refused
from runtime.backends.native.mounts import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY
from runtime.backends.native.steps.step import Sandbox
from runtime.backends.native.syscalls import call
from runtime.data import dataclass, field


@dataclass(slots=True, kw_only=True)
class BundleSandbox(Sandbox):
    """Descriptors of what a bundle shows of this machine: index of a mount, or controller of a group → descriptor."""

    sources: Mapping[int, int] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShowSource:
    """Show a file or folder of this machine."""

    index: int
    mount: Mount

    def describe(self) -> str:
        """Say it."""
        return f"show {self.mount.source} at {self.mount.destination}{_flags(self.mount.flags)}"

    def execute(self, sandbox: Sandbox) -> None:
        """Bind it by descriptor, with its flags from the beginning."""
        assert isinstance(sandbox, BundleSandbox)  # noqa: S101 - these steps have no other
        source = sandbox.sources[self.index]
        make = mounts.directory if mounts.is_folder(source) else mounts.file_target
        with make(sandbox.root, self.mount.destination) as target:
            mounts.bind_with_flags(source, target, self.mount.flags, recursive=self.mount.recursive)


@dataclass(frozen=True, slots=True)
class MountFresh:
    """Mount a tmpfs on any folder of the tree."""

    mount: Mount

    def describe(self) -> str:
        """Say it."""
        return f"mount a tmpfs ({self.mount.data}) at {self.mount.destination}{_flags(self.mount.flags)}"

    def execute(self, sandbox: Sandbox) -> None:
        """Mount it on a folder inside the root; still writable, as more may be mounted in it."""
        wanted = self.mount
        with mounts.directory(sandbox.root, wanted.destination) as target:
            if wanted.copy_up and _has_entries(sandbox.root, wanted.destination):
                detail = f"tmpcopyup at {wanted.destination}, where the image has files"
                raise BundleRefusedError(Refused.MOUNT_OPTION, detail)
            mounts.mount_at("tmpfs", target, "tmpfs", wanted.flags & ~MS_RDONLY, wanted.data)


@dataclass(frozen=True, slots=True)
class AddFlags:
    """Add flags to what is mounted at a path, at the end."""

    path: str
    flags: int

    def describe(self) -> str:
        """Say it."""
        return f"remount {self.path}{_flags(self.flags)}"

    def execute(self, sandbox: Sandbox) -> None:
        """Remount it; the root by its own descriptor."""
        if self.path == "/":
            mounts.remount(sandbox.root, self.flags)
            return
        with mounts.opened(sandbox.root, self.path) as view:
            mounts.remount(view, self.flags)


@dataclass(frozen=True, slots=True)
class ShowGroups:
    """Show the container its own control groups, read-only (CVE-2022-0492)."""

    path: str

    def describe(self) -> str:
        """Say it."""
        return f"show the container's own control groups at {self.path}, read-only"

    def execute(self, sandbox: Sandbox) -> None:
        """Mount a tmpfs, and each group in it."""
        assert isinstance(sandbox, BundleSandbox)  # noqa: S101 - these steps have no other
        flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
        with mounts.directory(sandbox.root, self.path) as target:
            mounts.mount_at("tmpfs", target, "tmpfs", flags, "mode=755,size=64k")
        for name, group in sandbox.groups.items():
            with mounts.directory(sandbox.root, f"{self.path}/{name}") as target:
                mounts.bind_with_flags(group, target, flags | MS_RDONLY, recursive=False)
        with mounts.opened(sandbox.root, self.path) as view:
            mounts.remount_read_only(view)


@dataclass(frozen=True, slots=True)
class BringUpLoopback:
    """Bring up lo of a new network namespace."""

    def describe(self) -> str:
        """Say it."""
        return "bring up lo"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Bring it up."""
        network.bring_up("lo")


@dataclass(frozen=True, slots=True)
class SetSysctl:
    """Set a sysctl of a namespace that the container owns."""

    name: str
    value: str

    def describe(self) -> str:
        """Say it."""
        return f"set {self.name} to {self.value}"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Write it through this machine's own /proc, which shows the caller's namespaces (CVE-2025-52881)."""
        path = "/proc/sys/" + self.name.replace(".", "/")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise BundleRefusedError(Refused.SYSCTL, f"this machine has no {self.name}") from None
        try:
            os.write(descriptor, self.value.encode())
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class SetDomainname:
    """Name the NIS domain."""

    name: str

    def describe(self) -> str:
        """Say it."""
        return f"name the domain {self.name}"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Set it in the UTS namespace."""
        call("setdomainname", self.name.encode(), len(self.name.encode()))


@dataclass(frozen=True, slots=True)
class SetOomScore:
    """Say how readily the kernel kills it for want of memory."""

    score: int

    def describe(self) -> str:
        """Say it."""
        return f"set oom_score_adj to {self.score}"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Write it; a plain user may only raise it, and then it stays."""
        with open("/proc/self/oom_score_adj", "r+", encoding="ascii") as file:  # noqa: PTH123 - of this machine
            if int(file.read()) == self.score:
                return
            try:
                file.write(str(self.score))
                file.flush()
            except OSError as error:
                if error.errno != errno.EACCES:
                    raise


@dataclass(frozen=True, slots=True)
class SetRlimit:
    """Set one rlimit, soft and hard apart."""

    limit: Rlimit

    def describe(self) -> str:
        """Say it."""
        return f"limit {self.limit.name} to {self.limit.soft}, at most {self.limit.hard}"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Set it; a limit above this machine's own hard one cannot be had without CAP_SYS_RESOURCE."""
        number, wanted = RLIMITS[self.limit.name], (self.limit.soft, self.limit.hard)
        try:
            resource.setrlimit(number, wanted)
        except (ValueError, PermissionError, OSError) as error:
            most = resource.getrlimit(number)[1]
            detail = f"{self.limit.name} of {wanted}, and this machine allows {most} at most"
            raise BundleRefusedError(Refused.RLIMIT, detail) from error


@dataclass(frozen=True, slots=True)
class OutliveCreate:
    """Stay when the command that made the container ends: its caller watches it from now on."""

    def describe(self) -> str:
        """Say it."""
        return "outlive the command that makes the container"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Undo what ends us with our parent."""
        processes.outlive_parent()


def _flags(flags: int) -> str:
    names = {MS_RDONLY: "read-only", MS_NOSUID: "nosuid", MS_NODEV: "nodev", MS_NOEXEC: "noexec"}
    return "".join(f", {name}" for bit, name in names.items() if flags & bit)


def _has_entries(root: int, path: str) -> bool:
    with mounts.opened(root, path, os.O_RDONLY | os.O_DIRECTORY) as folder:
        return bool(os.listdir(folder))  # noqa: PTH208 - of a descriptor
