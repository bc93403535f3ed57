"""Whose the files are that a spec lays: root's, or those of the ``owner:`` that an entry of ``files`` names.

What an entry brings is its owner's, and so are the folders that it makes at and below its ``to``. A folder that a lower
layer has stays as it is there.
"""

import errno
import os
import posixpath
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pipeline.build.files import LocalFile
from pipeline.declare.errors import BuildError
from pipeline.declare.image import FilesEntry
from runtime.backends.native.mapped import run_mapped
from runtime.oci.owners import ROOT, Owner, Owners


@dataclass(frozen=True, slots=True, kw_only=True)
class Gift:
    """What was laid for one entry, or one file of it.

    Args:
        paths: relative to the tree.
        top: the entry's ``to``, likewise; empty for the tree itself.
        owner: uid and gid.
    """

    paths: tuple[str, ...]
    top: str
    owner: Owner = ROOT

    @classmethod
    def of(cls, entry: FilesEntry, paths: tuple[str, ...]) -> Self:
        """Return what was laid for an entry."""
        return cls(paths=paths, top=entry.to.strip("/"), owner=parse_owner(entry.owner))


def parse_owner(text: str | None) -> Owner:
    """Return the uid and gid that an ``owner:`` says; root's without one."""
    uid, _, gid = (text or "0:0").partition(":")
    return int(uid), int(gid)


def gifts_of(files: Iterable[LocalFile]) -> tuple[Gift, ...]:
    """Return what local files bring, and those of stages, one by one."""
    return tuple(Gift(paths=(each.path,), top=each.top, owner=parse_owner(each.owner)) for each in files)


def owners_of(gifts: Iterable[Gift]) -> Mapping[str, Owner]:
    """Return path → owner, of all files and folders that are not root's; a later gift has the last word of a path."""
    found: dict[str, Owner] = {}
    for gift in gifts:
        for path in gift.paths:
            found[path] = gift.owner
            if gift.owner != ROOT:
                found |= dict.fromkeys(_folders(path, gift.top), gift.owner)
    return {path: owner for path, owner in found.items() if owner != ROOT}


def give(folder: Path, below: Sequence[Path], gifts: Iterable[Gift]) -> None:
    """Give what was laid into a layer to its owners, once everything in it was adopted; modes stay.

    Args:
        folder: the layer that is being made.
        below: the unpacked layers under it.
        gifts: what was laid.

    Raises:
        BuildError: an owner has an id that no run here can have.
    """
    owners = owners_of(gifts)
    if owners:
        run_mapped(lambda root, *lower: _give(root, lower, owners), directories=(folder, *below))


def _give(root: int, below: Sequence[int], owners: Mapping[str, Owner]) -> None:
    here = Owners.here()
    for path, owner in sorted(owners.items()):
        status = os.stat(path, dir_fd=root, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode) and any(_has(path, each) for each in below):
            continue
        above, _, name = path.rpartition("/")
        folder = os.open(above or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
        try:
            here.give_name(name, owner, folder=folder)
            if not stat.S_ISLNK(status.st_mode):  # the kernel takes set-user-id bits from what gets an owner
                os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=folder)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.EOVERFLOW}:
                raise
            raise BuildError(
                f"/{path} cannot be given to {owner[0]}:{owner[1]}: a run here has ids below 65536",
                hint="name smaller ones in 'owner:'",
            ) from None
        finally:
            os.close(folder)


def _has(path: str, root: int) -> bool:
    try:
        os.stat(path, dir_fd=root, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _folders(path: str, top: str) -> Iterable[str]:
    """Yield the folders above a path that lie at ``top`` or below it."""
    above = posixpath.dirname(path)
    while above and (not top or above == top or above.startswith(f"{top}/")):
        yield above
        above = posixpath.dirname(above)
