"""``unpack_sdist``: a source distribution laid into a tree without its single top folder."""

import posixpath
import tarfile
from collections.abc import Iterator, Sequence
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
    archive: Path, root: Path | int, *, to: str = "", only: Sequence[str] = (), name: str = ""
) -> tuple[str, ...]:
    """Unpack a source distribution.

    Modes become 0755 for what is executable and 0644 for the rest; times are kept; owners are those of the caller.

    Args:
        archive: a tar archive, compressed as it likes.
        root: the tree: its path, or a descriptor of it.
        to: the folder in the tree that takes the content of the top folder.
        only: patterns of ``pipeline.declare.patterns``; nothing else is taken.
        name: what messages call the archive; its file's name by default.

    Returns:
        The paths that were laid down, relative to ``to``, sorted.

    Raises:
        PackageError: it is no such archive, has not one top folder, is hostile (a path or link that leaves it, a
            device, a path twice, too much), or a pattern matches nothing.

    Source: "Source distribution format" of the Python packaging specifications (PEP 625, PEP 721).
    """
    try:
        return _unpack(archive, root, to.strip("/"), only, name or archive.name)
    except PackageError as error:
        hint = "it is damaged or hostile; see where it came from, or ask for another version"
        raise PackageError(error.message, hint=error.hint or hint) from error.__cause__


def newest_time(archive: Path) -> int:
    """Return the newest modification time inside a source distribution, in seconds since 1970.

    Raises:
        PackageError: it is no such archive.
    """
    try:
        with tarfile.open(archive, "r:*") as file:
            return max((int(member.mtime) for _, member in _members(file, archive.name)), default=0)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise PackageError(f"{archive.name} is no source distribution: {error}") from None


def _unpack(archive: Path, root: Path | int, to: str, only: Sequence[str], owner: str) -> tuple[str, ...]:
    laid: set[str] = set()
    listed: list[str] = []
    try:
        with tarfile.open(archive, "r:*") as file, TreeWriter(root, owner) as tree:
            for path, member in _members(file, owner):
                listed.append(path)
                if is_chosen(path, only):
                    if path in laid and not member.isdir():
                        raise PackageError(f"{owner}: {path!r} is in it twice")
                    _lay(file, member, tree, posixpath.join(to, path) if to else path)
                    laid.add(path)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise PackageError(f"{owner} is no source distribution: {error}") from None
    except OSError as error:
        if error.errno is None:  # a damaged stream of gzip
            raise PackageError(f"{owner} is damaged: {error}") from None
        raise
    missed = unmatched(listed, only)
    if missed:
        tops = ", ".join(sorted({path.split("/")[0] for path in listed})[:12])
        raise PackageError(f"{owner}: nothing in it matches {missed[0]!r}", hint=f"at its top are: {tops}")
    return tuple(sorted(laid))


def _members(file: tarfile.TarFile, owner: str) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Yield each member below the one top folder, with its path there."""
    top: str | None = None
    left = MAX_UNPACKED
    for count, member in enumerate(file):
        left -= member.size
        if count >= MAX_MEMBERS or left < 0:
            raise PackageError(f"{owner} holds more than {MAX_MEMBERS} files or {MAX_UNPACKED} bytes")
        first, _, below = clean(member.name, owner).partition("/")
        if top not in {None, first}:
            raise PackageError(f"{owner} has two top folders, {top!r} and {first!r}, and one is wanted")
        top = first
        if below:
            yield below, member
        elif not member.isdir():
            raise PackageError(f"{owner}: {first!r} lies beside no top folder")


def _lay(file: tarfile.TarFile, member: tarfile.TarInfo, tree: TreeWriter, path: str) -> None:
    time = max(0, int(member.mtime))
    if member.isdir():
        tree.folder(path)
    elif member.isreg() or member.islnk():
        tree.file(path, _blocks(file, member, tree.owner), mode=0o755 if member.mode & 0o111 else 0o644, mtime=time)
    elif member.issym():
        tree.link(path, _safe_target(member, tree.owner), mtime=time)
    else:
        raise PackageError(f"{tree.owner}: {member.name!r} is a device, a pipe or unknown")


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


def _safe_target(member: tarfile.TarInfo, owner: str) -> str:
    """Return the target of a symbolic link that stays below the top folder."""
    target = member.linkname
    above = posixpath.dirname(clean(member.name, owner))
    led = posixpath.normpath(posixpath.join(above, target))
    top = above.split("/")[0]
    if target.startswith("/") or "\0" in target or not target or led.split("/")[0] != top:
        raise PackageError(f"{owner}: the link {member.name!r} leads to {target!r}, out of the archive")
    return target
