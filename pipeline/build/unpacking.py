"""Unpack the packages that dpkg itself needs, so that the image's own dpkg can run and install all of them."""

import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.build.dpkg_database import NEW, Unpacked, database
from pipeline.build.ecosystems.debian.deb import Deb
from pipeline.build.ecosystems.debian.plain import plain_ahead
from pipeline.build.usual_packages import LATEST, conffiles, told
from pipeline.declare.errors import PackageError
from pipeline.declare.reasons import Reason
from runtime.oci.archive import Limits
from runtime.oci.folder import Folder
from runtime.oci.refusal import RefusedError
from runtime.oci.tar import Entry, Kind
from runtime.oci.unpack import check_path

MERGED = (b"bin", b"sbin", b"lib", b"lib64")
"""Folders that are links into /usr in every Debian since bookworm, whatever a package's own paths say."""

_EMPTY = (b"var/lib/dpkg/status", b"var/lib/dpkg/available")
_KINDS = {tarfile.REGTYPE: Kind.FILE, tarfile.AREGTYPE: Kind.FILE, tarfile.SYMTYPE: Kind.SYMLINK}
_KINDS |= {tarfile.LNKTYPE: Kind.HARDLINK, tarfile.DIRTYPE: Kind.DIRECTORY}
_BLOCK = 1 << 20
_LONGEST = 4095  # bytes of a path; source: limits.h, PATH_MAX


def unpack_first(root: int, packages: Sequence[Deb], *, epoch: int, scratch: Path) -> tuple[str, ...]:
    """Unpack packages into an empty directory, in their order, with the modes and owners that they say.

    A folder keeps what the first package says of it, as with dpkg. Links are never followed. dpkg's database then says
    of most of them that they are unpacked; of the others it knows nothing.

    Args:
        root: descriptor of the directory, as user 0 of the mapped ids.
        packages: what to unpack; each file has the name of its package.
        epoch: the time of the few entries that no package brings.
        scratch: an empty folder for packages that are decompressed while others are unpacked.

    Returns:
        The names of those that dpkg knows.

    Raises:
        PackageError: a package holds what is refused, or a file that another one holds too.
    """
    limits = Limits()
    names = told(packages)
    known: list[Unpacked] = []
    with Folder(root) as folder:
        for name in MERGED:
            folder.add(_link(name, epoch))
            folder.add(_folder(b"usr/" + name, epoch))
        for package in plain_ahead(packages, scratch):
            state = Unpacked(package=package) if package.path.stem in names else None
            known += [state] if state else []
            try:
                _unpack(folder, package, limits, state)
            except (RefusedError, PackageError) as error:
                owner = package.path.name.removesuffix(".deb")
                raise PackageError(
                    f"the Debian package {owner} is refused: {error.message}",
                    hint=f"it is damaged or hostile; see where it came from, or run `seatrial lock --upgrade {owner}`",
                ) from error
        _tell(folder, known, epoch)
        for path in _EMPTY:
            if not folder.has(path):
                folder.add(Entry(path=path, kind=Kind.FILE, mode=0o644, uid=0, gid=0, mtime=epoch))
        folder.finish()
    return tuple(each.package.path.stem for each in known)


def _tell(folder: Folder, known: Sequence[Unpacked], epoch: int) -> None:
    """Write into dpkg's database what it is to know."""
    for path, mode, content, mtime in database(known, epoch=epoch):
        size = len(content)
        file = Entry(path=path.encode(), kind=Kind.FILE, mode=mode, uid=0, gid=0, mtime=mtime, size=size)
        try:
            folder.add(file, (content,))
        except RefusedError as error:
            message = f"a Debian package is refused: it holds a file of dpkg's database: {error.message}"
            hint = "it is damaged or hostile; see which package has that file"
            raise PackageError(message, hint=hint) from error


def _unpack(folder: Folder, package: Deb, limits: Limits, state: Unpacked | None) -> None:
    """Unpack one package; what dpkg is to know of it is added to ``state``."""
    waiting = waiting_for(package) if state else frozenset()
    with package.open_data() as archive:
        for member in archive:
            entry = entry_of(member, limits)
            if state:
                state.listed.append(listed_path(member))
            if not entry.path or entry.path in MERGED:
                continue
            if entry.kind is Kind.DIRECTORY and folder.is_given(entry.path):
                continue
            if entry.kind is Kind.FILE and entry.path in waiting:
                content = b"".join(content_of(archive, member))
                folder.add(entry, (content,))
                folder.add(replace(entry, path=entry.path + NEW), (content,))
            else:
                folder.add(entry, content_of(archive, member))


def waiting_for(package: Deb) -> frozenset[bytes]:
    """Return the paths in the tree of what waits until a package is configured: its files of configuration."""
    return frozenset(in_usr(path[1:].encode()) for path in conffiles(package))


def listed_path(member: tarfile.TarInfo) -> str:
    """Return how dpkg lists a member of a package."""
    return "/" + (member.name.removeprefix("./").strip("/") or ".")


def entry_of(member: tarfile.TarInfo, limits: Limits) -> Entry:
    """Return what a member of a package is in a tree whose folders are merged into /usr.

    Raises:
        PackageError: it is of a kind that is refused, or its name or size is none.
        RefusedError: its path, or the one that it is a hard link to, leaves the tree or is not normal.
    """
    kind = _KINDS.get(member.type)
    if kind is None:
        message = f"{member.name!r} is a device, a pipe or a sparse file, which is refused"
        raise PackageError(message, reason=Reason.DEB_KIND)
    if member.issparse():  # as pax headers say it, a plain file of any size in a few bytes
        message = f"{member.name!r} is a sparse file of {member.size} bytes, which is refused"
        raise PackageError(message, reason=Reason.DEB_SPARSE)
    if member.mtime >= LATEST or {"\n", "\0"}.intersection(member.name + member.linkname):
        message = f"{member.name!r} has a time or a name that no file has"
        raise PackageError(message, reason=Reason.DEB_DAMAGED)
    target = os.fsencode(member.linkname)
    if kind is Kind.SYMLINK and not 0 < len(target) <= _LONGEST:
        message = f"{member.name!r} is a link to a path of {len(target)} bytes, which no link is"
        raise PackageError(message, reason=Reason.DEB_DAMAGED)
    return Entry(
        path=in_usr(check_path(os.fsencode(member.name), limits)),
        kind=kind,
        mode=member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        mtime=max(0, int(member.mtime)),
        size=member.size if kind is Kind.FILE else 0,
        target=in_usr(check_path(target, limits)) if kind is Kind.HARDLINK else target,
    )


def in_usr(path: bytes) -> bytes:
    """Return where a path of a package is in a tree whose folders are merged into /usr."""
    top, slash, _ = path.partition(b"/")
    return b"usr/" + path if slash and top in MERGED else path


def content_of(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    """Yield the content of a member, a block at a time; nothing of what is no file."""
    file = archive.extractfile(member) if member.isreg() else None
    while file is not None and (block := file.read(_BLOCK)):
        yield block


def _folder(path: bytes, epoch: int) -> Entry:
    return Entry(path=path, kind=Kind.DIRECTORY, mode=0o755, uid=0, gid=0, mtime=epoch)


def _link(name: bytes, epoch: int) -> Entry:
    return replace(_folder(name, epoch), kind=Kind.SYMLINK, mode=0o777, target=b"usr/" + name)
