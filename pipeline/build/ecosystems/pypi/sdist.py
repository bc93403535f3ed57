"""Archives of tar laid into a tree: a source distribution without its single top folder, any other as it is."""

import posixpath
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipeline.build.ecosystems.pypi.tree_writer import TreeWriter, clean
from pipeline.declare.errors import PackageError
from pipeline.declare.patterns import is_chosen, unmatched

MAX_MEMBERS = 200_000
MAX_UNPACKED = 4 << 30
"""Bytes of all members."""

_BLOCK = 1 << 20


def unpack_sdist(
    archive: Path, root: Path | int, *, to: str = "", only: Sequence[str] = (), name: str = "", mode: int | None = None
) -> tuple[str, ...]:
    """Unpack a source distribution.

    Times are kept; owners are those of the caller.

    Args:
        archive: a tar archive, compressed as it likes.
        root: the tree: its path, or a descriptor of it.
        to: the folder in the tree that takes the content of the top folder.
        only: patterns of ``pipeline.declare.patterns``; nothing else is taken.
        name: what messages call the archive; its file's name by default.
        mode: of all files; None for 0755 for what is executable and 0644 for the rest.

    Returns:
        The paths that were laid down, relative to ``to``, sorted.

    Raises:
        PackageError: it is no such archive, has not one top folder, is hostile (a path or link that leaves it, a
            device, a path twice, too much), or a pattern matches nothing.

    Source: "Source distribution format" of the Python packaging specifications (PEP 625, PEP 721).
    """
    try:
        return _Unpacking(owner=name or archive.name, mode=mode).unpack(archive, root, to.strip("/"), only)
    except PackageError as error:
        hint = "it is damaged or hostile; see where it came from, or ask for another version"
        raise PackageError(error.message, hint=error.hint or hint) from error.__cause__


def unpack_archive(
    archive: Path, root: Path | int, *, to: str = "", only: Sequence[str] = (), name: str = "", mode: int | None = None
) -> tuple[str, ...]:
    """Unpack an archive of tar with all of its folders; in everything else as ``unpack_sdist``."""
    unpacking = _Unpacking(owner=name or archive.name, mode=mode, is_stripped=False)
    return unpacking.unpack(archive, root, to.strip("/"), only)


def refuse_unmatched(listed: Sequence[str], only: Sequence[str], owner: str) -> None:
    """Refuse a pattern that matches nothing in an archive.

    Args:
        listed: all paths that are in it.
        only: the patterns.
        owner: what messages call the archive.

    Raises:
        PackageError: there is one.
    """
    missed = unmatched(listed, only)
    if missed:
        tops = ", ".join(sorted({path.split("/")[0] for path in listed})[:12])
        raise PackageError(f"{owner}: nothing in it matches {missed[0]!r}", hint=f"at its top are: {tops}")


def newest_time(archive: Path) -> int:
    """Return the newest modification time inside a source distribution, in seconds since 1970.

    Raises:
        PackageError: it is no such archive.
    """
    try:
        with tarfile.open(archive, "r:*") as file:
            return max((int(member.mtime) for _, member in _Unpacking(owner=archive.name).members(file)), default=0)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise PackageError(f"{archive.name} is no source distribution: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unpacking:
    """How one archive is unpacked.

    Args:
        owner: what messages call it.
        mode: of all files; None for what the archive says of each.
        is_stripped: whether there has to be one top folder, which is not laid.
    """

    owner: str
    mode: int | None = None
    is_stripped: bool = True

    def unpack(self, archive: Path, root: Path | int, to: str, only: Sequence[str]) -> tuple[str, ...]:
        """Lay what is chosen, and return its paths, sorted."""
        laid: set[str] = set()
        listed: list[str] = []
        kind = "source distribution" if self.is_stripped else "archive of tar, nor a ZIP archive"
        try:
            with tarfile.open(archive, "r:*") as file, TreeWriter(root, self.owner) as tree:
                for path, member in self.members(file):
                    listed.append(path)
                    if is_chosen(path, only):
                        if path in laid and not member.isdir():
                            raise PackageError(f"{self.owner}: {path!r} is in it twice")
                        self._lay(file, member, tree, posixpath.join(to, path) if to else path)
                        laid.add(path)
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise PackageError(f"{self.owner} is no {kind}: {error}") from None
        except OSError as error:
            if error.errno is None:  # a damaged stream of gzip
                raise PackageError(f"{self.owner} is damaged: {error}") from None
            raise
        refuse_unmatched(listed, only, self.owner)
        return tuple(sorted(laid))

    def members(self, file: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
        """Yield each member with its path, below the one top folder where that is stripped."""
        top: str | None = None
        left = MAX_UNPACKED
        for count, member in enumerate(file):
            left -= member.size
            if count >= MAX_MEMBERS or left < 0:
                raise PackageError(f"{self.owner} holds more than {MAX_MEMBERS} files or {MAX_UNPACKED} bytes")
            if not self.is_stripped:
                if member.name.strip("./"):  # the archive's own folder, which many write first
                    yield clean(member.name, self.owner), member
                continue
            first, _, below = clean(member.name, self.owner).partition("/")
            if top not in {None, first}:
                raise PackageError(f"{self.owner} has two top folders, {top!r} and {first!r}, and one is wanted")
            top = first
            if below:
                yield below, member
            elif not member.isdir():
                raise PackageError(f"{self.owner}: {first!r} lies beside no top folder")

    def _lay(self, file: tarfile.TarFile, member: tarfile.TarInfo, tree: TreeWriter, path: str) -> None:
        time = max(0, int(member.mtime))
        own = (0o755 if member.mode & 0o111 else 0o644) if self.mode is None else self.mode
        if member.isdir():
            tree.folder(path)
        elif member.isreg() or member.islnk():
            tree.file(path, _blocks(file, member, tree.owner), mode=own, mtime=time)
        elif member.issym():
            tree.link(path, self._safe_target(member), mtime=time)
        else:
            raise PackageError(f"{tree.owner}: {member.name!r} is a device, a pipe or unknown")

    def _safe_target(self, member: tarfile.TarInfo) -> str:
        """Return the target of a symbolic link that stays below the archive's top."""
        target = member.linkname
        above = posixpath.dirname(clean(member.name, self.owner))
        first = posixpath.normpath(posixpath.join(above, target)).split("/")[0]
        leaves = first != above.split("/")[0] if self.is_stripped else first == ".."
        if target.startswith("/") or "\0" in target or not target or leaves:
            raise PackageError(f"{self.owner}: the link {member.name!r} leads to {target!r}, out of the archive")
        return target


def _blocks(file: tarfile.TarFile, member: tarfile.TarInfo, owner: str) -> Iterator[bytes]:
    """Yield the content; that of a hard link is the file's that it names, which stands before it in the archive."""
    try:
        content: IO[bytes] | None = file.extractfile(member)
    except (KeyError, RecursionError):
        content = None
    if content is None:
        raise PackageError(f"{owner}: {member.name!r} is a link to {member.linkname!r}, which is no file of it")
    with content:
        while block := content.read(_BLOCK):
            yield block
