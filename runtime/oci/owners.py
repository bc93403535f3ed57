"""Who owns the files of a tree: the kernel knows, or, where a namespace has one id only, a record beside each file.

A plain user without a range of ids owns every file of its trees itself. What a layer, or a package's script, says of an
owner is then kept in an attribute of the file, and read back when the tree is packed: the layer has the same bytes. A
symbolic link can have no such attribute; its folder keeps it, by inode number, which a rename does not change.
"""

import errno
import os
import stat
from typing import Self

from runtime.data import dataclass

OWNER = "user.seatrial.owner"
"""The attribute of a file or folder that is not root's: ``uid:gid``. No layer may hold it."""

LINKS = "user.seatrial.links"
"""The attribute of a folder that names the owners of links in it: ``inode:uid:gid``, separated by blanks."""

OURS = "user.seatrial."

Owner = tuple[int, int]
ROOT: Owner = (0, 0)

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Owners:
    """How the files of this user namespace are given to their owners.

    Args:
        are_recorded: whether the namespace has one id only, so that owners are recorded.
    """

    are_recorded: bool = False

    @classmethod
    def here(cls) -> Self:
        """Return the way of the namespace in which this process is."""
        return cls(are_recorded=has_one_id())

    def give(self, descriptor: int, owner: Owner) -> None:
        """Give a file or folder that is open for more than its path."""
        if self.are_recorded:
            record(descriptor, owner)
        else:
            os.fchown(descriptor, *owner)

    def give_name(self, name: str | bytes, owner: Owner, *, folder: int) -> None:
        """Give what stands under a name in a folder, never what a link there leads to."""
        if not self.are_recorded:
            os.chown(name, *owner, dir_fd=folder, follow_symlinks=False)
            return
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            record_link(folder, status.st_ino, owner)
        elif stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            descriptor = os.open(name, _OPEN, dir_fd=folder)
            try:
                record(descriptor, owner)
            finally:
                os.close(descriptor)

    def of_name(self, path: str | bytes, status: os.stat_result, *, folder: int) -> Owner:
        """Return whose it is that stands at a path below a folder.

        Args:
            path: relative to ``folder``.
            status: what ``lstat`` says of it.
            folder: an open folder.
        """
        if not self.are_recorded:
            return status.st_uid, status.st_gid
        raw = os.fsencode(path)
        if stat.S_ISLNK(status.st_mode):
            above, _, _ = raw.rpartition(b"/")
            descriptor = os.open(above or b".", _OPEN | os.O_DIRECTORY, dir_fd=folder)
            try:
                return link_owners(descriptor).get(status.st_ino, ROOT)
            finally:
                os.close(descriptor)
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            return ROOT
        descriptor = os.open(raw, _OPEN, dir_fd=folder)
        try:
            return recorded(descriptor)
        finally:
            os.close(descriptor)


def has_one_id() -> bool:
    """Tell whether one id only is mapped into the user namespace of this process.

    Source: user_namespaces(7), ``/proc/PID/uid_map``.
    """
    # As bytes: a codec may have to be loaded first, from where the ids inside may not read.
    with open("/proc/self/uid_map", "rb") as file:  # noqa: PTH123 - for the warm process too
        return sum(int(line.split()[2]) for line in file) == 1


def record(file: int | str | bytes, owner: Owner) -> None:
    """Record the owner of a file or folder; root's has no record.

    Args:
        file: an open descriptor, or a path that is followed.
        owner: uid and gid.
    """
    if owner != ROOT:
        os.setxattr(file, OWNER, b"%d:%d" % owner)
        return
    try:
        os.removexattr(file, OWNER)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.EOPNOTSUPP):
            raise


def recorded(file: int | str | bytes, *, follows: bool = True) -> Owner:
    """Return the recorded owner of a file or folder; of a link that is not followed none is recorded here.

    Args:
        file: an open descriptor, or a path.
        follows: whether a link at the end of a path is followed; a descriptor wants True.
    """
    try:
        uid, _, gid = os.getxattr(file, OWNER, follow_symlinks=follows).partition(b":")
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP, errno.EPERM):
            return ROOT
        raise
    return int(uid), int(gid)


def record_link(folder: int, inode: int, owner: Owner) -> None:
    """Record the owner of a symbolic link in its folder."""
    owners = link_owners(folder)
    before = dict(owners)
    owners.pop(inode, None)
    if owner != ROOT:
        owners[inode] = owner
    if owners:
        content = b" ".join(b"%d:%d:%d" % (key, *value) for key, value in sorted(owners.items()))
        os.setxattr(folder, LINKS, content)
    elif before:
        os.removexattr(folder, LINKS)


def link_owners(folder: int) -> dict[int, Owner]:
    """Return inode number → owner of the symbolic links in a folder that are not root's."""
    try:
        content = os.getxattr(folder, LINKS)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return {}
        raise
    entries = (entry.split(b":") for entry in content.split())
    return {int(inode): (int(uid), int(gid)) for inode, uid, gid in entries}
