"""The run's tree: its root, the files laid into it, and the file systems that a plan mounts."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from runtime.backends.native import mounts
from runtime.backends.native.mounts import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_REC
from runtime.backends.native.steps.step import Sandbox, write_scratch
from runtime.data import dataclass
from runtime.errors import BackendError
from runtime.plan import Attributes, Bind, File, Tmpfs

UPPER_SIZE = 4 << 30
"""Bytes that a run may write into its tree: without a limit it could fill the machine's memory."""

_UPPER_INODES = 1 << 20

PLACES = ("/tmp", "/run", "/mnt", "/var")  # noqa: S108 - nothing is written there
"""Where the scratch tmpfs may be mounted: the mount is private, so any folder will do that exists."""

TREE = "root"
"""The folder of the scratch tmpfs on which the tree is mounted."""


@dataclass(frozen=True, slots=True)
class PrivateMounts:
    """Cut the mount namespace off from this machine's."""

    def describe(self) -> str:
        """Say it."""
        return "make all mounts private"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Change the propagation of every mount."""
        mounts.mount(None, "/", None, MS_REC | MS_PRIVATE)


@dataclass(frozen=True, slots=True)
class Scratch:
    """Mount the private tmpfs that catches what the run writes."""

    size: int = UPPER_SIZE

    def describe(self) -> str:
        """Say it."""
        return f"mount a private tmpfs of {self.size} bytes for what the run writes"

    def execute(self, sandbox: Sandbox) -> None:
        """Mount it where no one else sees it, and make its folders."""
        place = next(each for each in PLACES if os.path.isdir(each))  # noqa: PTH112 - no pathlib in the warm process
        mounts.mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, scratch_options(self.size))
        sandbox.scratch = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for name in ("upper", "work", "root"):
            os.mkdir(name, 0o755, dir_fd=sandbox.scratch)


@dataclass(frozen=True, slots=True)
class StackLayers:
    """Stack the layers into one tree."""

    count: int

    def describe(self) -> str:
        """Say it."""
        return f"stack {self.count} layers under a folder that catches what is written"

    def execute(self, sandbox: Sandbox) -> None:
        """Mount an overlay; where the machine's root has done so already, show it here.

        ``userxattr`` is what a user namespace may use. Without ``xino`` a file's st_dev is another than its folder's,
        since the upper layer is on another file system than the lower ones: programs then take each file for a mount
        point (send2trash failed so, where Docker, whose layers share one file system, lets it pass).

        Source: kernel Documentation/filesystems/overlayfs.rst, "Inode properties".
        """
        if sandbox.stacked >= 0:
            _show_stacked(sandbox)
            return
        lower = ":".join(f"/proc/self/fd/{each}" for each in reversed(sandbox.layers))
        scratch = f"/proc/self/fd/{sandbox.scratch}"
        data = f"lowerdir={lower},upperdir={scratch}/upper,workdir={scratch}/work,userxattr,xino=on"
        mounts.mount("overlay", f"{scratch}/root", "overlay", 0, data)
        sandbox.upper = os.open("upper", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=sandbox.scratch)
        sandbox.root = os.open("root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=sandbox.scratch)


@dataclass(frozen=True, slots=True)
class StackUnderTree:
    """Stack the layers under a given folder, which keeps what is written."""

    count: int

    def describe(self) -> str:
        """Say it."""
        return f"stack {self.count} layers under the given folder, which keeps what is written"

    def execute(self, sandbox: Sandbox) -> None:
        """Mount an overlay whose end does not wait for the disk; whoever keeps the folder sees to that.

        Source: kernel Documentation/filesystems/overlayfs.rst, "Volatile mount".
        """
        lower = ":".join(f"/proc/self/fd/{each}" for each in reversed(sandbox.layers))
        upper, work = (f"/proc/self/fd/{each}" for each in (sandbox.tree, sandbox.work))
        data = f"lowerdir={lower},upperdir={upper},workdir={work},userxattr,xino=on,volatile"
        mounts.mount("overlay", f"/proc/self/fd/{sandbox.scratch}/{TREE}", "overlay", 0, data)
        sandbox.root = os.open(TREE, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=sandbox.scratch)


@dataclass(frozen=True, slots=True)
class UseTree:
    """Use an existing folder as the root, written in place."""

    def describe(self) -> str:
        """Say it."""
        return "use the given folder as the root, written in place"

    def execute(self, sandbox: Sandbox) -> None:
        """Bind it where it can become the root of the mount namespace."""
        with mounts.opened(sandbox.scratch, "root") as target:
            mounts.bind(sandbox.tree, target)
        sandbox.root = os.open("root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=sandbox.scratch)


@dataclass(frozen=True, slots=True)
class LayFile:
    """Lay one file or link into the tree, or over a file of a kernel file system."""

    file: File

    def describe(self) -> str:
        """Say it."""
        if self.file.link:
            return f"link {self.file.path} to {self.file.link}"
        return f"{'mount' if self.file.over else 'write'} {len(self.file.content)} bytes at {self.file.path}"

    def execute(self, sandbox: Sandbox) -> None:
        """Write it: what stands there is replaced and never written through."""
        if self.file.over:
            source = write_scratch(sandbox, self.file.content, self.file.mode)
            with mounts.opened(sandbox.root, self.file.path) as target:
                mounts.bind(source, target)
            os.close(source)
            return
        parent, _, name = self.file.path.rpartition("/")
        with _no_link_of_proc(self.file.path), mounts.directory(sandbox.root, parent) as folder:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            if self.file.link:
                os.symlink(self.file.link, name, dir_fd=folder)
            else:
                _write(folder, name, self.file)


@dataclass(frozen=True, slots=True)
class SetAttributes:
    """Give a folder its owner and mode; it is made if it is missing."""

    attributes: Attributes

    def describe(self) -> str:
        """Say it."""
        wanted = self.attributes
        return f"give {wanted.path} to {wanted.uid}:{wanted.gid}, mode {wanted.mode:04o}"

    def execute(self, sandbox: Sandbox) -> None:
        """Change it by descriptor."""
        wanted = self.attributes
        with _no_link_of_proc(wanted.path), mounts.directory(sandbox.root, wanted.path):
            pass
        with mounts.opened(sandbox.root, wanted.path, os.O_RDONLY | os.O_DIRECTORY) as folder:
            os.fchown(folder, wanted.uid, wanted.gid)
            os.fchmod(folder, wanted.mode)


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """Make a folder that a run must have, if it is missing."""

    path: str
    uid: int
    gid: int
    mode: int = 0o755

    def describe(self) -> str:
        """Say it."""
        return f"make {self.path} for {self.uid}:{self.gid} if it is missing"

    def execute(self, sandbox: Sandbox) -> None:
        """Make it with its parents; one that exists keeps its owner."""
        with _no_link_of_proc(self.path), suppress(FileNotFoundError), mounts.opened(sandbox.root, self.path):
            return
        with (
            mounts.directory(sandbox.root, self.path),
            mounts.opened(sandbox.root, self.path, os.O_RDONLY | os.O_DIRECTORY) as folder,
        ):
            os.fchown(folder, self.uid, self.gid)
            os.fchmod(folder, self.mode)


@dataclass(frozen=True, slots=True)
class MountTmpfs:
    """Mount a fresh tmpfs."""

    tmpfs: Tmpfs

    def describe(self) -> str:
        """Say it."""
        wanted = self.tmpfs
        execution = "" if wanted.executable else ", noexec"
        return f"mount a tmpfs of {wanted.size} bytes at {wanted.path}, mode {wanted.mode:04o}{execution}"

    def execute(self, sandbox: Sandbox) -> None:
        """Mount it on a folder inside the root."""
        wanted = self.tmpfs
        flags = MS_NOSUID | MS_NODEV | (0 if wanted.executable else MS_NOEXEC)
        data = f"size={wanted.size},mode={wanted.mode:o},uid={wanted.uid},gid={wanted.gid}"
        with mounts.directory(sandbox.root, wanted.path) as target:
            refuse_kernel_file_system(target, wanted.path)
            mounts.mount_at("tmpfs", target, "tmpfs", flags, data)


def refuse_kernel_file_system(target: int, path: str) -> None:
    """Refuse to cover a part of /proc or /sys, to which a link of the image leads: it would not be masked then."""
    if mounts.is_kernel_file_system(target):
        raise BackendError(f"{path} leads into a file system of the kernel, which is refused")


@dataclass(frozen=True, slots=True)
class MountBind:
    """Show a path of the tree at a second place."""

    bind: Bind

    def describe(self) -> str:
        """Say it."""
        return f"show {self.bind.source} at {self.bind.path}{'' if self.bind.writable else ', read-only'}"

    def execute(self, sandbox: Sandbox) -> None:
        """Bind it by descriptor."""
        with mounts.opened(sandbox.root, self.bind.source) as source:
            make = mounts.directory if mounts.is_folder(source) else mounts.file_target
            with make(sandbox.root, self.bind.path) as target:
                mounts.bind(source, target)
        if not self.bind.writable:
            with mounts.opened(sandbox.root, self.bind.path) as view:
                mounts.remount_read_only(view)


@dataclass(frozen=True, slots=True)
class MountVolume:
    """Show a folder of this machine, which outlives the run."""

    number: int
    path: str

    def describe(self) -> str:
        """Say it."""
        return f"show volume {self.number} at {self.path}"

    def execute(self, sandbox: Sandbox) -> None:
        """Bind it by descriptor; no device and no set-user-id program in it counts."""
        with mounts.directory(sandbox.root, self.path) as target:
            refuse_kernel_file_system(target, self.path)
            flags = MS_NOSUID | MS_NODEV
            mounts.bind_with_flags(sandbox.volumes[self.number], target, flags, recursive=False)


@dataclass(frozen=True, slots=True)
class ReadOnlyRoot:
    """Forbid writing to the tree."""

    def describe(self) -> str:
        """Say it."""
        return "make the root read-only"

    def execute(self, sandbox: Sandbox) -> None:
        """Remount the root; file systems mounted in it stay as they are."""
        mounts.remount_read_only(sandbox.root)


@dataclass(frozen=True, slots=True)
class Pivot:
    """Leave this machine's tree."""

    def describe(self) -> str:
        """Say it."""
        return "make the tree the root and detach this machine's"

    def execute(self, sandbox: Sandbox) -> None:
        """Pivot by descriptor, and close it: the working folder is entered with nothing open but pipes."""
        mounts.pivot(sandbox.root)
        os.close(sandbox.root)
        sandbox.root = -1


@dataclass(frozen=True, slots=True)
class EnterFolder:
    """Go to the working folder; descriptors of the machine must be closed by then (CVE-2024-21626)."""

    path: str

    def describe(self) -> str:
        """Say it."""
        return f"go to {self.path}"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Go there as root, as the user may not be allowed to, and check where that is."""
        os.chdir(self.path)
        here = os.getcwd()  # noqa: PTH109 - raises if it is outside the root, as the kernel then says "(unreachable)"
        if not here.startswith("/") or (here + "/").startswith("/proc/"):
            raise BackendError(f"working folder {self.path!r} leads to {here!r}, which is refused")


def scratch_options(size: int = UPPER_SIZE) -> str:
    """Return the options of the tmpfs that catches what a run writes."""
    return f"mode=755,size={size},nr_inodes={_UPPER_INODES}"


def _show_stacked(sandbox: Sandbox) -> None:
    with mounts.opened(sandbox.scratch, TREE) as target:
        mounts.bind(sandbox.stacked, target)
    sandbox.root = os.open(TREE, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=sandbox.scratch)


@contextmanager
def _no_link_of_proc(path: str) -> Iterator[None]:
    """Say it plainly where a path of the plan leads through a link that the kernel was told not to follow."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise BackendError(f"{path!r} leads through a link of /proc or in a circle, which is refused") from error
        raise


def _write(folder: int, name: str, file: File) -> None:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, file.mode, dir_fd=folder)
    with os.fdopen(descriptor, "wb", closefd=True) as stream:
        stream.write(file.content)
        os.fchmod(descriptor, file.mode)  # whatever the umask
