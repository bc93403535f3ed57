"""/proc, /sys and /dev of a run: its own, with what could reach this machine masked.

Source: OCI runtime specification, config-linux.md, "Default Filesystems" and "Default Devices"; the paths are those of
Docker's default specification (moby, oci/defaults.go).
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from runtime.backends.native import mounts
from runtime.backends.native.emulation import EMULATORS, FOLDER, is_registered, program_of, registration
from runtime.backends.native.mounts import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY
from runtime.backends.native.steps.step import Sandbox
from runtime.data import dataclass
from runtime.errors import BackendError

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)

READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

_LINKS = (
    ("fd", "/proc/self/fd"),
    ("ptmx", "pts/ptmx"),
    ("stderr", "/proc/self/fd/2"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
)
_ALL = MS_NOSUID | MS_NODEV | MS_NOEXEC
_TTY_GROUP = 5  # Debian's group tty, as every runtime mounts devpts
_NULL = (1, 3)  # Documentation/admin-guide/devices.txt


@dataclass(frozen=True, slots=True)
class MountKernel:
    """Mount a file system of the kernel at a folder that no image may have turned into a link (CVE-2026-41579)."""

    path: str
    kind: str
    flags: int = _ALL
    data: str = ""

    def describe(self) -> str:
        """Say it."""
        extra = ", read-only" if self.flags & MS_RDONLY else ""
        return f"mount {self.kind} at {self.path}{extra}"

    def execute(self, sandbox: Sandbox) -> None:
        """Mount it."""
        with _real_folder(sandbox.root, self.path) as target:
            try:
                mounts.mount_at(self.kind, target, self.kind, self.flags, self.data or None)
            except PermissionError as error:
                raise BackendError(
                    f"the kernel refuses a private {self.kind} at {self.path}",
                    hint="in a container parts of /proc and /sys are hidden, and then none may be mounted",
                ) from error


@dataclass(frozen=True, slots=True)
class MakeDevices:
    """Fill /dev: six harmless devices of this machine, and the usual links.

    Args:
        sealed: whether root inside is root of this machine, who could change a device's mode here: the mount is then
            read-only, which does not keep anyone from writing to a device.
    """

    sealed: bool = False

    def describe(self) -> str:
        """Say it."""
        return f"show {', '.join(DEVICES)} in /dev, and link fd, stdin, stdout, stderr, ptmx"

    def execute(self, sandbox: Sandbox) -> None:
        """Bind each device by a descriptor that was opened on this machine (CVE-2025-31133)."""
        for name in DEVICES:
            if name in sandbox.devices:
                with mounts.file_target(sandbox.root, f"/dev/{name}") as target:
                    _bind_device(sandbox.devices[name], target, sealed=self.sealed)
        with mounts.opened(sandbox.root, "/dev", os.O_PATH | os.O_DIRECTORY, links=False) as folder:
            for name, target_of_link in _LINKS:
                os.symlink(target_of_link, name, dir_fd=folder)


@dataclass(frozen=True, slots=True)
class Mask:
    """Hide a path of a kernel file system; ``sealed`` as with ``MakeDevices``."""

    path: str
    sealed: bool = False

    def describe(self) -> str:
        """Say it."""
        return f"mask {self.path} if it is there"

    def execute(self, sandbox: Sandbox) -> None:
        """Mount the null device over a file, an empty file system over a folder."""
        with _found(sandbox.root, self.path) as target:
            if target is None:
                return
            if mounts.is_folder(target):
                mounts.mount_at("tmpfs", target, "tmpfs", MS_RDONLY | _ALL, "nr_blocks=1,nr_inodes=1,mode=555")
            else:
                _bind_device(_checked_null(sandbox), target, sealed=self.sealed)


@dataclass(frozen=True, slots=True)
class ForbidWriting:
    """Make a path of a kernel file system read-only."""

    path: str

    def describe(self) -> str:
        """Say it."""
        return f"make {self.path} read-only if it is there"

    def execute(self, sandbox: Sandbox) -> None:
        """Bind it over itself and remount that."""
        with _found(sandbox.root, self.path) as target:
            if target is None:
                return
            mounts.bind(target, target)
        with mounts.opened(sandbox.root, self.path, links=False) as view:
            mounts.remount_read_only(view)


@dataclass(frozen=True, slots=True)
class RegisterEmulator:
    """Let programs of another architecture run, in this user namespace only.

    The table is mounted at its usual place in /proc, which is covered when /proc/sys becomes read-only: no program sees
    it, and it lasts as long as the mount namespace.
    """

    architecture: str

    def describe(self) -> str:
        """Say it."""
        return f"register the emulator for {self.architecture}"

    def execute(self, sandbox: Sandbox) -> None:
        """Mount the namespace's own table and add the emulator, which the kernel opens at once."""
        emulator = EMULATORS[self.architecture]
        program = program_of(emulator)
        if program is None or is_registered(emulator):
            return  # the whole machine has it, as the backend has seen
        with mounts.opened(sandbox.root, FOLDER, os.O_PATH | os.O_DIRECTORY, links=False) as target:
            mounts.mount_at("binfmt_misc", target, "binfmt_misc", _ALL)
        with mounts.opened(sandbox.root, f"{FOLDER}/register", os.O_WRONLY, links=False) as table:
            os.write(table, registration(emulator, program))


def kernel_mounts(*, dev_mode: int = 0o755, has_tty_group: bool = True) -> tuple[MountKernel | MakeDevices, ...]:
    """Return the mounts of /proc, /sys and /dev, in order.

    Args:
        dev_mode: of /dev itself.
        has_tty_group: whether the group of terminals is mapped.
    """
    devpts = "newinstance,ptmxmode=0666,mode=0620" + (f",gid={_TTY_GROUP}" if has_tty_group else "")
    return (
        MountKernel("/proc", "proc"),
        MountKernel("/sys", "sysfs", _ALL | MS_RDONLY),
        MountKernel("/dev", "tmpfs", MS_NOSUID, f"mode={dev_mode:o},size=65536k"),
        MakeDevices(),
        MountKernel("/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, devpts),
        MountKernel("/dev/mqueue", "mqueue"),
    )


@contextmanager
def _real_folder(root: int, path: str) -> Iterator[int]:
    parent, _, name = path.rpartition("/")
    try:
        flags = os.O_PATH | os.O_DIRECTORY
        with mounts.opened(root, parent, flags, links=False) as folder, suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=folder)
        descriptor = mounts.open_inside(root, path, os.O_PATH | os.O_DIRECTORY, links=False)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise BackendError(f"{path} is no folder in this image but a link or a file, which is refused") from error
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _found(root: int, path: str) -> Iterator[int | None]:
    try:
        descriptor = mounts.open_inside(root, path, os.O_PATH, links=False)
    except FileNotFoundError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _bind_device(device: int, target: int, *, sealed: bool) -> None:
    if sealed:
        mounts.bind_with_flags(device, target, MS_RDONLY | MS_NOSUID | MS_NOEXEC, recursive=False)
    else:
        mounts.bind(device, target)


def _checked_null(sandbox: Sandbox) -> int:
    descriptor = sandbox.devices["null"]
    found = os.fstat(descriptor)
    if not stat.S_ISCHR(found.st_mode) or (os.major(found.st_rdev), os.minor(found.st_rdev)) != _NULL:
        raise BackendError("/dev/null of this machine is not the null device")
    return descriptor
