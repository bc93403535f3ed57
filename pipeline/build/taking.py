"""What ``files`` take from a stage: found in its tree as its commands left it, and nothing else of it.

All paths are looked up with that tree as the root: a link that a command made leads to nothing of this machine.
"""
# ruff: noqa: PTH115, PTH116, PTH123, PTH208 - paths are text here, as they stand in the stage

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.build.ecosystems.pypi.tree_writer import TreeWriter
from pipeline.declare.errors import BuildError
from pipeline.declare.image import FilesEntry, StageFiles
from pipeline.declare.patterns import is_chosen, unmatched
from runtime.canonical import Json

_BLOCK = 1 << 20
_LOOK = "see what its commands make, and write the path as it is in the stage"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Taking:
    """One path that is taken.

    Args:
        path: absolute, in the stage: a file, or a folder with all below it.
        only: patterns of ``pipeline.declare.patterns``; of a folder, nothing else is taken.
    """

    path: str
    only: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """Return it as a part of what decides a layer."""
        return {"path": self.path, "only": list(self.only)}


def takings(stage: str, entries: Iterable[FilesEntry]) -> tuple[Taking, ...]:
    """Return what some entries take from a stage, sorted, each once."""
    named = (each for each in entries if isinstance(each, StageFiles) and each.stage == stage)
    return tuple(sorted({Taking(path=each.from_, only=each.only) for each in named}))


def take(root: int, out: int, takings: Sequence[Taking], *, stage: str, epoch: int) -> None:
    """Copy what is taken; it keeps its paths. Modes become 0755 for what is executable and 0644 for the rest.

    The process has the stage's tree as its root afterwards.

    Args:
        root: descriptor of the stage's tree.
        out: descriptor of the folder that gets it.
        takings: what is taken.
        stage: its name, for messages.
        epoch: the time that all of it gets, in seconds since 1970.

    Raises:
        BuildError: a path is not there, is neither file nor folder, a folder has nothing that is taken, or a link in it
            leads out of it.
    """
    os.fchdir(root)
    os.chroot(".")
    with TreeWriter(out, f"stage {stage}") as tree:
        for each in takings:
            _take(each, tree, epoch)


def _take(taking: Taking, tree: TreeWriter, epoch: int) -> None:
    try:
        status = os.stat(taking.path)
    except (FileNotFoundError, NotADirectoryError):
        raise BuildError(f"{tree.owner}: its commands made no {taking.path}", hint=_LOOK) from None
    if stat.S_ISREG(status.st_mode):
        _lay(taking.path, taking.path, tree, epoch)
    elif stat.S_ISDIR(status.st_mode):
        _take_folder(taking, tree, epoch)
    else:
        raise BuildError(f"{tree.owner}: {taking.path} is neither a file nor a folder; an image cannot hold it")


def _take_folder(taking: Taking, tree: TreeWriter, epoch: int) -> None:
    paths = tuple(_walk(taking.path, ""))
    missing = unmatched(paths, taking.only)
    if missing or not paths:
        what = f"that matches 'only: {missing[0]}'" if missing else "at all"
        raise BuildError(f"{tree.owner}: its commands left nothing in {taking.path} {what}", hint=_LOOK)
    for path in paths:
        if is_chosen(path, taking.only):
            _lay(posixpath.join(taking.path, path), taking.path, tree, epoch)


def _walk(folder: str, below: str) -> Iterator[str]:
    """Yield all files and links below a folder, sorted; paths are relative to the first one."""
    for name in sorted(os.listdir(folder), key=os.fsencode):
        path = posixpath.join(folder, name)
        if stat.S_ISDIR(os.lstat(path).st_mode):
            yield from _walk(path, f"{below}{name}/")
        else:
            yield f"{below}{name}"


def _lay(path: str, taken: str, tree: TreeWriter, epoch: int) -> None:
    """Copy one file or link; one that was named itself is followed, one in a folder is kept."""
    status = os.stat(path) if path == taken else os.lstat(path)
    below = path.strip("/")
    if stat.S_ISLNK(status.st_mode):
        tree.link(below, _target(path, taken, tree.owner), mtime=epoch)
    elif stat.S_ISREG(status.st_mode):
        tree.file(below, _blocks(path), mode=0o755 if status.st_mode & stat.S_IXUSR else 0o644, mtime=epoch)
    else:
        raise BuildError(f"{tree.owner}: {path} is neither a file nor a folder nor a link; an image cannot hold it")


def _target(link: str, taken: str, owner: str) -> str:
    target = os.readlink(link)
    end = posixpath.normpath(posixpath.join(posixpath.dirname(link), target))
    if target.startswith("/") or posixpath.commonpath([end, taken]) != taken:
        raise BuildError(
            f"{owner}: {link} is a link to {target!r}, outside of {taken}",
            hint="copy what it names, or leave it out by `only:`",
        )
    return target


def _blocks(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            yield block
