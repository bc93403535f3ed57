"""Lay the local files of a spec, and those that stages made, into a tree, and tell what they are by one digest.

Of such a file only content, path, link target and the executable bit count (CONTRACT section 2): who owns it, when it
was written and the umask of the one who checked it out do not reach an image.
"""

import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pathspec import GitIgnoreSpec

from pipeline.build.ecosystems.pypi.tree_writer import TreeWriter
from pipeline.declare.errors import BuildError
from pipeline.declare.image import FilesEntry, LocalFiles, StageFiles
from pipeline.declare.patterns import is_chosen, unmatched
from runtime.canonical import Json
from runtime.digest import Digest

_IGNORED_FOLDERS = frozenset({".git", "__pycache__"})
_BLOCK = 1 << 20
_IGNORE_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """One file or link that a tree gets.

    Args:
        path: where it goes, relative to the tree.
        source: where its content is read; for a link, the link itself.
        mode: permission bits; of a link 0.
        target: of a link; empty for a file.
        content: digest of a file's bytes; empty as long as nobody read them.
        owner: what its entry says, ``UID:GID``; None for root's.
        top: where its entry goes, relative to the tree.
    """

    path: str
    source: Path
    mode: int
    target: str = ""
    content: str = ""
    owner: str | None = None
    top: str = ""


def find_files(
    entries: Sequence[FilesEntry], directory: Path, taken: Mapping[str, Path] | None = None
) -> tuple[LocalFile, ...]:
    """Return what local entries of a spec bring, and those of stages, sorted by path; of two for one path the later.

    ``.gitignore`` files inside a local folder are honored, those of the user and of folders above are not; ``.git``
    and ``__pycache__`` are never taken from there.

    Args:
        entries: of ``files``; local sources exist and lie inside the project's tree. Entries of other kinds bring none.
        directory: of the spec.
        taken: stage → the folder that has what was taken from it, under its paths there; of each stage that is named.

    Raises:
        BuildError: a pattern of ``only`` matches nothing, a link leaves its source, or something is no file.
    """
    found: dict[str, LocalFile] = {}
    for entry in entries:
        match entry:
            case LocalFiles():
                brought = _of_entry(entry, directory / entry.from_, _walk)
            case StageFiles():
                brought = _of_entry(entry, (taken or {})[entry.stage] / entry.from_.lstrip("/"), _walk_all)
            case _:
                continue
        for each in brought:
            found[each.path] = each
    return tuple(found[path] for path in sorted(found, key=os.fsencode))


def with_content(files: Sequence[LocalFile]) -> tuple[LocalFile, ...]:
    """Return the files with the digest of what each holds now.

    Raises:
        BuildError: one cannot be read.
    """
    return tuple(each if each.target else replace(each, content=_content_digest(each.source).text) for each in files)


def files_digest(files: Sequence[LocalFile]) -> Digest:
    """Return the digest of some files: over path, mode, target and content, each.

    Args:
        files: as ``with_content`` returns them.
    """
    return Digest.of_json([_description(each) for each in files])


def lay_files(files: Sequence[LocalFile], root: Path | int, *, epoch: int) -> None:
    """Write files into a tree.

    Args:
        files: as ``with_content`` returns them.
        root: the tree: its path, or a descriptor of it.
        epoch: the time that all of them get, in seconds since 1970.

    Raises:
        PackageError: a path is taken by other content already.
        BuildError: a source cannot be read any more, or holds something else by now: what is built is kept under the
            digest of what it held.
    """
    with TreeWriter(root, "files") as tree:
        for each in files:
            if each.target:
                tree.link(each.path, each.target, mtime=epoch)
            else:
                tree.file(each.path, _blocks(each), mode=each.mode, mtime=epoch)


def _description(file: LocalFile) -> Json:
    return {"path": file.path, "mode": file.mode, "target": file.target, "content": file.content}


def _of_entry(
    entry: LocalFiles | StageFiles, source: Path, walk: Callable[[Path], Iterator[str]]
) -> Iterator[LocalFile]:
    top = entry.to.strip("/")
    if not source.is_dir():
        yield _local(source, source.name if entry.to.endswith("/") else "", top, entry)
        return
    paths = tuple(walk(source))
    missing = unmatched(paths, entry.only)
    if missing:
        raise BuildError(
            f"{source}: nothing in it matches 'only: {missing[0]}'",
            hint="patterns are relative to 'from'; what .gitignore names is left out",
        )
    for path in paths:
        if is_chosen(path, entry.only):
            yield _local(source / path, path, top, entry, source=source)


def _local(
    file: Path, below: str, top: str, entry: LocalFiles | StageFiles, *, source: Path | None = None
) -> LocalFile:
    path = "/".join(part for part in (top, below) if part)
    status = file.lstat() if source is not None else file.stat()
    if stat.S_ISLNK(status.st_mode):
        target = _target(file, source or file.parent)
        return LocalFile(path=path, source=file, mode=0, target=target, owner=entry.owner, top=top)
    if not stat.S_ISREG(status.st_mode):
        raise BuildError(
            f"{file} is neither a file nor a folder nor a link; an image cannot hold it",
            hint="take it out of there, or name it in a .gitignore beside it",
        )
    executable = bool(status.st_mode & stat.S_IXUSR)
    mode = int(entry.mode, 8) if entry.mode is not None else (0o755 if executable else 0o644)
    return LocalFile(path=path, source=file, mode=mode, owner=entry.owner, top=top)


def _target(link: Path, source: Path) -> str:
    target = os.readlink(link)  # noqa: PTH115 - as text, unchanged
    end = os.path.normpath(os.path.join(link.parent, target))  # noqa: PTH118 - the link's own text
    if os.path.isabs(target) or not Path(end).is_relative_to(os.path.normpath(source)):  # noqa: PTH117
        raise BuildError(
            f"{link} is a link to {target!r}, outside of {source}", hint="copy what it names, or leave it out"
        )
    return target


def _walk_all(folder: Path) -> Iterator[str]:
    """Yield all files and links below a folder, sorted in each; paths are relative to it."""
    for name in sorted(os.listdir(folder), key=os.fsencode):  # noqa: PTH208 - names, not paths
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            yield from (f"{name}/{each}" for each in _walk_all(folder / name))
        else:
            yield name


def _walk(folder: Path, below: str = "", ignores: tuple[tuple[str, GitIgnoreSpec], ...] = ()) -> Iterator[str]:
    """Yield the files and links that no .gitignore on the way names; paths are relative to the first folder."""
    own = folder / ".gitignore"
    if own.is_file() and not own.is_symlink():
        ignores = (*ignores, (below, GitIgnoreSpec.from_lines(_lines(own))))
    for name in sorted(os.listdir(folder), key=os.fsencode):  # noqa: PTH208 - names, not paths
        path = f"{below}{name}"
        is_folder = (folder / name).is_dir() and not (folder / name).is_symlink()
        if (is_folder and name in _IGNORED_FOLDERS) or _is_ignored(path, is_folder, ignores):
            continue
        if is_folder:
            yield from _walk(folder / name, f"{path}/", ignores)
        else:
            yield path


def _is_ignored(path: str, is_folder: bool, ignores: tuple[tuple[str, GitIgnoreSpec], ...]) -> bool:  # noqa: FBT001
    """Ask the .gitignore files, the nearest last: the last one that says anything decides."""
    decided = False
    for base, patterns in ignores:
        found = patterns.check_file(path.removeprefix(base) + ("/" if is_folder else ""))
        decided = decided if found.include is None else found.include
    return decided


def _lines(path: Path) -> list[str]:
    with path.open("rb") as file:
        raw = file.read(_IGNORE_LIMIT + 1)
    if len(raw) > _IGNORE_LIMIT:
        raise BuildError(f"{path} is larger than {_IGNORE_LIMIT >> 20} MiB")
    return raw.decode("utf-8", errors="surrogateescape").splitlines()


def _blocks(file: LocalFile) -> Iterator[bytes]:
    """Yield a file's bytes, and refuse it at its end where they are not those of its digest."""
    found = hashlib.sha256()
    with _opened(file.source) as stream:
        while block := stream.read(_BLOCK):
            found.update(block)
            yield block
    if f"sha256:{found.hexdigest()}" != file.content:
        raise BuildError(
            f"{file.source} changed while the image was built",
            hint="build again when nothing writes to it any more, or leave it out by 'only' or a .gitignore",
        )


def _content_digest(path: Path) -> Digest:
    with _opened(path) as file:
        return Digest(f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")


def _opened(path: Path) -> io.BufferedReader:
    """Open a file that was a regular one when it was found; a pipe that took its place is not waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise BuildError(
            f"{path} cannot be read: {error.strerror}",
            hint="let this user read it, or leave it out by 'only' or a .gitignore",
        ) from error
    return open(descriptor, "rb")  # noqa: PTH123 - a descriptor has no path, and the caller closes it
