"""Trees that the machine's root stacks before a run enters its user namespace: for kernels that allow it no other way.

A user namespace marks replaced folders with attributes ``user.*``. Before Linux 6.6 a tmpfs has none, and such a change
fails (EIO); before 5.11 a user namespace may mount no overlay at all. Root of the machine marks with ``trusted.*``,
which every tmpfs has. Then the run finds its tree mounted, and shows it in its own place.

Source: Linux Documentation/filesystems/overlayfs.rst, "User xattr"; mm/shmem.c, ``shmem_user_xattr_handler``.
"""
# ruff: noqa: PTH102, PTH112 - no pathlib in the warm process

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from runtime.backends.native import mounts, processes
from runtime.backends.native.mounts import MNT_DETACH, MS_NODEV, MS_NOSUID, MS_RDONLY, MS_REC, MS_SLAVE
from runtime.backends.native.steps.tree import PLACES, TREE, scratch_options
from runtime.backends.native.syscalls import call
from runtime.data import dataclass
from runtime.errors import BackendError

_EROFS_SUPER_MAGIC = 0xE0F5E1E2  # linux/magic.h


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stacked tree.

    Args:
        place: the folder that holds it, as ``root``, and the folder that catches what is written, as ``upper``.
        layers: the open layers, the lowest first.
    """

    place: str
    layers: tuple[int, ...]


def is_needed() -> bool:
    """Tell whether root must stack the trees of runs here."""
    return os.geteuid() == 0 and lacks_attributes()


def lacks_attributes() -> bool:
    """Tell whether a tmpfs takes no attributes of users here, as before Linux 6.6."""
    descriptor = os.memfd_create("seatrial-probe")  # a file of a tmpfs
    try:
        os.setxattr(descriptor, "user.seatrial.probe", b"")
    except OSError as error:
        return error.errno == errno.EOPNOTSUPP
    finally:
        os.close(descriptor)
    return False


def leave_mounts() -> None:
    """Take a mount namespace of our own, to which the machine's later mounts still come."""
    processes.unshare(processes.CLONE_NEWNS)
    mounts.mount(None, "/", None, MS_REC | MS_SLAVE)


@contextmanager
def stacked(layers: Sequence[str], owner: int) -> Iterator[Stack]:
    """Stack layers for the run that is cloned meanwhile; it has its copy of the mounts, and ours is gone afterwards.

    Args:
        layers: their folders, the lowest first.
        owner: the id of this machine that is root in the run.

    Raises:
        BackendError: this kernel cannot show the layers as they are.
        OSError: it refused.
    """
    with ExitStack() as stack:
        opened = []
        for each in layers:
            opened.append(os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            stack.callback(os.close, opened[-1])
        place = next(each for each in PLACES if os.path.isdir(each))
        options = f"{scratch_options()},uid={owner},gid={owner}"
        mounts.mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, options)
        stack.callback(call, "umount2", place.encode(), MNT_DETACH)
        for name in ("upper", "work", "root", "lower"):
            os.mkdir(f"{place}/{name}", 0o755)
            os.chown(f"{place}/{name}", owner, owner)
        lower = _lower(opened, f"{place}/lower")
        data = f"lowerdir={lower},upperdir={place}/upper,workdir={place}/work,redirect_dir=nofollow,metacopy=off"
        mounts.mount("overlay", f"{place}/{TREE}", "overlay", MS_NODEV, f"{data},xino=on")
        yield Stack(place=place, layers=tuple(opened))


def _lower(layers: Sequence[int], place: str) -> str:
    """Return what is stacked under the folder that catches what is written.

    Layers on a disk of a virtual machine are marked for both kinds of overlays, and those that lie in a store for the
    user's: these are stacked by such an overlay of their own first.
    """
    joined = ":".join(f"/proc/self/fd/{each}" for each in reversed(layers))
    if len(layers) == 1 or all(mounts.file_system(each) == _EROFS_SUPER_MAGIC for each in layers):
        return joined
    try:
        mounts.mount("overlay", place, "overlay", MS_RDONLY | MS_NODEV, f"lowerdir={joined},userxattr,xino=on")
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise BackendError("this kernel knows no overlays with attributes of users; Linux 5.11 does") from error
        raise
    return place
