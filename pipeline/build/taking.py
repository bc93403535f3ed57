"""What ``files`` take from a stage: found in its tree as its commands left it, and nothing else of it.

All paths are looked up with that tree as the root: a link that a command made leads to nothing of this machine.
"""
# ruff: noqa: PTH115, PTH116, PTH123, PTH208 - paths are text here, as they stand in the stage

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

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
        taker = _Taker(tree=tree, epoch=epoch)
        for each in takings:
            taker.take(each)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taker:
    """Copies from the tree that is the root now.

    Args:
        tree: where to.
        epoch: the time that files get.
        laid: path → whether it was laid as a link.
    """

    tree: TreeWriter
    epoch: int
    laid: dict[str, bool] = field(default_factory=dict)

    def take(self, taking: Taking) -> None:
        """Copy one path."""
        owner = self.tree.owner
        try:
            status = os.stat(taking.path)
        except (FileNotFoundError, NotADirectoryError):
            raise BuildError(f"{owner}: its commands made no {taking.path}", hint=_LOOK) from None
        if stat.S_ISREG(status.st_mode):
            self._lay(taking.path, taking.path)
        elif stat.S_ISDIR(status.st_mode):
            self._take_folder(taking)
        else:
            raise BuildError(f"{owner}: {taking.path} is neither a file nor a folder; an image cannot hold it")

    def _take_folder(self, taking: Taking) -> None:
        paths = tuple(_walk(taking.path, ""))
        missing = unmatched(paths, taking.only)
        if missing or not paths:
            what = f"that matches 'only: {missing[0]}'" if missing else "at all"
            raise BuildError(f"{self.tree.owner}: its commands left nothing in {taking.path} {what}", hint=_LOOK)
        for path in paths:
            if is_chosen(path, taking.only):
                self._lay(posixpath.join(taking.path, path), taking.path)

    def _lay(self, path: str, taken: str) -> None:
        """Copy one file or link; one that was named itself is followed, one in a folder is kept."""
        status, owner = os.stat(path) if path == taken else os.lstat(path), self.tree.owner
        below, is_link = path.strip("/"), stat.S_ISLNK(status.st_mode)
        if below in self.laid:
            self._require_same(path, is_link=is_link)
            return
        self.laid[below] = is_link
        if is_link:
            self.tree.link(below, _target(path, taken, owner), mtime=self.epoch)
        elif stat.S_ISREG(status.st_mode):
            self.tree.file(
                below, _blocks(path), mode=0o755 if status.st_mode & stat.S_IXUSR else 0o644, mtime=self.epoch
            )
        else:
            raise BuildError(f"{owner}: {path} is neither a file nor a folder nor a link; an image cannot hold it")

    def _require_same(self, path: str, *, is_link: bool) -> None:
        if self.laid[path.strip("/")] is not is_link:
            raise BuildError(
                f"{self.tree.owner}: {path} is taken as a link, with its folder, and by itself, as what it leads to",
                hint="name what it leads to",
            )


def _walk(folder: str, below: str) -> Iterator[str]:
    """Yield all files and links below a folder, sorted; paths are relative to the first one."""
    for name in sorted(os.listdir(folder), key=os.fsencode):
        path = posixpath.join(folder, name)
        if stat.S_ISDIR(os.lstat(path).st_mode):
            yield from _walk(path, f"{below}{name}/")
        else:
            yield f"{below}{name}"


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
