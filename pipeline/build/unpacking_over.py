"""Unpack packages over the strata below without dpkg, where unpacking means new files and nothing else.

dpkg unpacks each package by five processes, and every file through the overlay. Here the files are written where the
overlay would put them, and dpkg is told that they are there. It is left to dpkg to unpack what is unusual: a package
with a script that runs before its files are there, a file where there is one already or dpkg was told to do something
else with it, and whatever is not looked at here.

Source: Debian policy, section 6.6, "Details of unpack phase"; dpkg's documentation of triggers, "Unincorp".
"""

import os
import stat
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.build.dpkg_database import DATABASE, NEW, Unpacked, additions
from pipeline.build.dpkg_said import Said, read_said
from pipeline.build.ecosystems.debian.deb import Deb, read_deb
from pipeline.build.left_out import PACKAGES
from pipeline.build.unpacking import MERGED, content_of, entry_of, listed_path, waiting_for
from pipeline.build.usual_packages import is_files_only
from pipeline.declare.errors import PackageError
from runtime.oci.archive import Limits
from runtime.oci.below import Below
from runtime.oci.folder import Folder
from runtime.oci.owners import Owners
from runtime.oci.refusal import RefusedError
from runtime.oci.tar import Entry, Kind
from runtime.oci.unpack import check_path

_MOST, _MOST_BYTES = 50_000, 16 << 20
"""Members of a package that is looked at here, and bytes of their names: all are kept in memory."""

_OURS = tuple(f"{each}/".encode() for each in (PACKAGES, DATABASE))
_ROOT = frozenset({"", "root"})
_ENDINGS = (NEW, b".dpkg-tmp")
"""Of names that dpkg takes for itself."""

_MOVING = (b"dpkg-divert", b"dpkg-statoverride")
"""What a script calls that tells dpkg to do something else with files of packages that come after."""


@dataclass(slots=True, kw_only=True)
class _Content:
    """A package that is looked at.

    Args:
        waiting: the paths of its files of configuration.
        members: of its archive, and what they are in the tree.
        new: path → what is new there.
        names: bytes of all names.
    """

    waiting: frozenset[bytes]
    members: list[tuple[tarfile.TarInfo, Entry]] = field(default_factory=list)
    new: dict[bytes, Entry] = field(default_factory=dict)
    names: int = 0


@dataclass(slots=True, kw_only=True)
class _Left:
    """What packages hold that are left to dpkg; it unpacks each of them before those that come after it.

    Args:
        folders: path → mode and owner.
        ways: paths of all folders, also of those that are only on the way to something.
        others: paths of all that is no folder.
        is_rest: whether what comes after is left to it, too: it is not known what came before.
    """

    folders: dict[bytes, tuple[int, int, int]] = field(default_factory=dict)
    ways: set[bytes] = field(default_factory=set)
    others: set[bytes] = field(default_factory=set)
    is_rest: bool = False


def unpack_over(root: int, below: Below, paths: Iterable[Path], *, epoch: int) -> tuple[str, ...]:
    """Unpack those packages that are usual into the upper directory of an overlay.

    Args:
        root: its descriptor, as user 0 of the mapped ids; dpkg has changed nothing in it.
        below: what is under it, made by ``bootstrap``.
        paths: of the packages, in the order in which dpkg would unpack them, before it configures any of them; each
            file has the name of its package.
        epoch: the time of folders that are below, and of what no package brings; seconds since 1970.

    Returns:
        The names of those that are unpacked; dpkg knows of them.
    """
    told = read_said(below)
    if told is None:
        return ()
    done: list[Unpacked] = []
    with Folder(root) as folder:
        over = _Over(folder=folder, below=below, told=told, epoch=epoch)
        for package in map(read_deb, paths):
            with ExitStack() as stack:
                archive = over.opened(package, stack)
                content = over.looked_at(archive, package) if archive else None
                if archive and content:
                    over.unpack(archive, content)
                    listed = [listed_path(member) for member, _ in content.members]
                    done.append(Unpacked(package=package, listed=listed))
        if done:
            over.tell(done)
        folder.finish()
    return tuple(each.package.path.stem for each in done)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Over:
    """Packages that are being unpacked into ``folder``.

    Args:
        folder: the upper directory.
        below: what is under it.
        told: what dpkg's database says there.
        epoch: as of ``unpack_over``.
        left: what is left to dpkg.
    """

    folder: Folder
    below: Below
    told: Said
    epoch: int
    left: _Left = field(default_factory=_Left)

    def opened(self, package: Deb, stack: ExitStack) -> tarfile.TarFile | None:
        """Return the archive of a package; None if it is damaged, or too large to be looked at."""
        if package.is_plain:
            with suppress(PackageError):  # dpkg says what it is
                return stack.enter_context(package.open_plain())
        self.left.is_rest = True
        return None

    def looked_at(self, archive: tarfile.TarFile, package: Deb) -> _Content | None:
        """Return what a package holds; None if anything in it is not new or not usual."""
        is_usual = (
            not self.left.is_rest
            and is_files_only(package, self.told.architecture)
            and not self.told.knows(package.path.stem)
        )
        content = _Content(waiting=waiting_for(package) if is_usual else frozenset())
        limits = Limits()
        try:
            for member in archive:
                entry = entry_of(member, limits)
                content.members.append((member, entry))
                content.names += len(entry.path) + len(entry.target)
                is_usual = is_usual and self._is_usual(member, entry, content)
                if len(content.members) > _MOST or content.names > _MOST_BYTES:
                    raise _too_much(package)
        except (PackageError, RefusedError, tarfile.TarError, RecursionError):
            self.left.is_rest = True  # dpkg says what it is
            return None
        if is_usual and content.waiting <= content.new.keys():
            return content
        self._leave(package, content)
        return None

    def _leave(self, package: Deb, content: _Content) -> None:
        for _, entry in content.members:
            way = entry.path.rpartition(b"/")[0]
            if entry.kind is Kind.DIRECTORY:
                self.left.folders.setdefault(entry.path, _about(entry))
                way = entry.path
            else:
                self.left.others.add(entry.path)
            while way and way not in self.left.ways:
                self.left.ways.add(way)
                way = way.rpartition(b"/")[0]
        script = package.control_files.get("preinst", b"")
        self.left.is_rest |= any(each in script for each in _MOVING)

    def unpack(self, archive: tarfile.TarFile, content: _Content) -> None:
        """Write what is new."""
        for member, entry in content.members:
            path = entry.path + NEW if entry.path in content.waiting else entry.path
            if entry.path in content.new and not self.folder.has(path):
                self._bring(path.rpartition(b"/")[0])
                self.folder.add(replace(entry, path=path), content_of(archive, member))

    def tell(self, done: Sequence[Unpacked]) -> None:
        """Write into dpkg's database that packages are unpacked."""
        told = self.told
        for name, mode, content, mtime in additions(done, status=told.status, heard=told.interests, epoch=self.epoch):
            path = name.encode()
            self._bring(path.rpartition(b"/")[0])
            size = len(content)
            file = Entry(path=path, kind=Kind.FILE, mode=mode, uid=0, gid=0, mtime=mtime, size=size)
            self.folder.add(file, (content,))

    def _is_usual(self, member: tarfile.TarInfo, entry: Entry, content: _Content) -> bool:
        """Tell whether a member is a folder that is there, or something new; what is new is noted."""
        path, new = entry.path, content.new
        is_folder = entry.kind is Kind.DIRECTORY
        if (
            member.pax_headers  # dpkg knows none
            or member.mtime < 0
            or path in self.left.others
            or (not is_folder and path in self.left.ways)
        ):
            return False
        if not path or path in MERGED or (is_folder and self._has_folder(path, new)):
            return is_folder
        if (
            (path + b"/").startswith(_OURS)
            or path.endswith(_ENDINGS)
            or entry.uid
            or entry.gid
            or not {member.uname, member.gname} <= _ROOT
            or (is_folder and self.left.folders.get(path, _about(entry)) != _about(entry))
            or not self._has_folder(path.rpartition(b"/")[0], new)
            or self._is_taken(path, new)
        ):
            return False
        if path in content.waiting and (
            entry.kind is not Kind.FILE or self._is_taken(check_path(path + NEW, Limits()), new)
        ):
            return False
        if entry.kind is Kind.HARDLINK and not _is_same_file(entry, new.get(entry.target), content):
            return False
        new[path] = entry
        return True

    def _has_folder(self, path: bytes, new: Mapping[bytes, Entry]) -> bool:
        return (
            not path
            or (path in new and new[path].kind is Kind.DIRECTORY)
            or self.folder.is_directory(path)
            or bool(self.below.folder(path))
        )

    def _is_taken(self, path: bytes, new: Mapping[bytes, Entry]) -> bool:
        """Tell whether something is at a path already, or dpkg was told to do something else with it."""
        is_there = path in new or self.folder.has(path) or self.below.status(path) is not None
        return is_there or path in self.told.moved

    def _bring(self, path: bytes) -> None:
        """Make a folder that is below, and those above it, as they are there."""
        if not path or self.folder.has(path):
            return
        self._bring(path.rpartition(b"/")[0])
        (layer, *_) = self.below.folder(path)
        status = os.stat(path, dir_fd=layer, follow_symlinks=False)
        uid, gid = Owners.here().of_name(path, status, folder=layer)
        mode = stat.S_IMODE(status.st_mode)
        self.folder.add(Entry(path=path, kind=Kind.DIRECTORY, mode=mode, uid=uid, gid=gid, mtime=self.epoch))


def _about(entry: Entry) -> tuple[int, int, int]:
    return entry.mode, entry.uid, entry.gid


def _is_same_file(link: Entry, file: Entry | None, content: _Content) -> bool:
    """Tell whether a hard link is to a new file that has its mode and time: dpkg gives the file those of the link."""
    return (
        file is not None
        and file.kind in (Kind.FILE, Kind.HARDLINK)
        and file.path not in content.waiting
        and (file.mode, file.mtime) == (link.mode, link.mtime)
    )


def _too_much(package: Deb) -> PackageError:
    return PackageError(f"{package.path.name} holds more than is looked at here")
