"""``install_modules``: packages of npm laid into a tree as npm would lay them; nothing of them is run.

Links to programs lie in the ``node_modules/.bin`` beside their package; of two packages with a program of one name, the
first by name has the link.
"""

import os
import posixpath
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.build.ecosystems.npm.tarball import Tarball
from pipeline.build.ecosystems.pypi.tree_writer import TreeWriter
from pipeline.build.modules import LockedModule
from pipeline.declare.errors import PackageError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def install_modules(modules: Sequence[LockedModule], tarballs: Sequence[Path], root: Path | int, *, to: str) -> None:
    """Lay packages into ``node_modules`` of a folder.

    Args:
        modules: what is locked.
        tarballs: the file of each, verified.
        root: the tree: its path, or a descriptor of it.
        to: the folder in it that gets ``node_modules``; empty for the tree itself.

    Raises:
        PackageError: a package breaks its format, is hostile, or holds a file that another one has with other content.
    """
    links: dict[str, tuple[str, int]] = {}
    # The shortest paths first: what a package brings inside its tarball is there before what is laid into it.
    for path, module, file in _placed(modules, tarballs):
        owner = module.package.artifact.source
        with Tarball(file, owner) as tarball, TreeWriter(root, owner) as tree:
            tarball.unpack(tree, posixpath.join(to, path) if to else path)
            time = tarball.newest_time()
            for name, target in tarball.programs().items():
                links.setdefault(*_link(path, name, target, time))
    with TreeWriter(root, "node_modules/.bin") as tree:
        for link, (target, time) in sorted(links.items()):
            tree.link(posixpath.join(to, link) if to else link, target, mtime=time)


def newest_time(tarball: Path, owner: str) -> int:
    """Return the newest modification time inside a package, in seconds since 1970.

    Raises:
        PackageError: it is no package of npm.
    """
    with Tarball(tarball, owner) as file:
        return file.newest_time()


def module_owners(root: int, to: str, modules: Sequence[LockedModule]) -> Mapping[bytes, str]:
    """Return path → name of the package at the top of ``node_modules``; links to programs are nobody's.

    What lies inside a package's own ``node_modules`` is there for its sake, and changes with it.

    Args:
        root: descriptor of the tree.
        to: the folder that has ``node_modules``, relative to it.
        modules: what was laid there.
    """
    found: dict[bytes, str] = {}
    for name in sorted({_top(path) for module in modules for path in module.paths}):
        base = posixpath.join(to, "node_modules", name) if to else f"node_modules/{name}"
        found |= dict.fromkeys(_files(root, base), name)
    return found


def _placed(modules: Sequence[LockedModule], tarballs: Sequence[Path]) -> list[tuple[str, LockedModule, Path]]:
    pairs = zip(modules, tarballs, strict=True)
    placed = [(path, module, file) for module, file in pairs for path in module.paths]
    paths = [path for path, _, _ in placed]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise PackageError(f"two packages are locked for {twice!r}", hint="make the lock again")
    return sorted(placed, key=lambda each: (each[0].count("node_modules/"), each[0]))


def _link(path: str, name: str, target: str, time: int) -> tuple[str, tuple[str, int]]:
    """Return where the link to a program lies, and what it says."""
    above, _, package = path.rpartition("node_modules/")
    return f"{above}node_modules/.bin/{name}", (f"../{package}/{target}", time)


def _top(path: str) -> str:
    parts = path.split("/")
    return "/".join(parts[1:3]) if parts[1].startswith("@") else parts[1]


def _files(root: int, base: str) -> Iterator[bytes]:
    """Yield the paths of the files below a folder, relative to the root; no link is followed on the way."""
    here = os.dup(root)
    try:
        for name in base.split("/"):
            below = os.open(name, _FOLDER, dir_fd=here)
            os.close(here)
            here = below
        yield from _below(here, os.fsencode(base))
    except FileNotFoundError:
        return
    finally:
        os.close(here)


def _below(folder: int, path: bytes) -> Iterator[bytes]:
    for name in sorted(os.listdir(folder)):
        inside = path + b"/" + os.fsencode(name)
        if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            yield inside
            continue
        below = os.open(name, _FOLDER, dir_fd=folder)
        try:
            yield from _below(below, inside)
        finally:
            os.close(below)
