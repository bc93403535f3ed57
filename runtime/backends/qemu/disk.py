"""Write an unpacked layer to a disk: read in a user namespace, where each file has the owner that the layer says."""

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from runtime.backends.native.idmap import ARBITRARY, BASE, RANGE
from runtime.backends.native.mapped import run_mapped
from runtime.backends.qemu.erofs import Node, Plotted, plot
from runtime.errors import BackendError
from runtime.oci.owners import OURS, Owners

_WHITEOUT = stat.S_IFCHR
_NOBODY = 65534
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOR_OVERLAYS = ("user.overlay.", "trusted.overlay.")


def disk_of(layer: Path) -> BinaryIO:
    """Return an open file without a name that holds the image of a layer; when it is closed, it is gone.

    Raises:
        BackendError: the layer cannot be read, or holds what no layer may.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever asked closes it
    try:
        run_mapped(lambda folder: _write(folder, file.fileno()), directories=(layer,))
    except (OSError, ValueError) as error:
        file.close()
        raise BackendError(f"cannot write the layer {layer} to a disk: {error}") from error
    except BaseException:
        file.close()
        raise
    return file


def outside(inside: int) -> int:
    """Return the id that root of the virtual machine has for an id of a run, as ``map_for_root`` maps it."""
    if inside == ARBITRARY:
        return BASE + RANGE - 1
    return BASE + (inside if inside < RANGE - 1 else _NOBODY)


def _write(folder: int, target: int) -> None:
    paths: dict[Node, bytes] = {}
    root = read_tree(folder, paths.__setitem__)
    plotted = plot(root)
    os.ftruncate(target, plotted.size)
    _write_all(target, plotted.head, 0)
    _copy_files(plotted, paths, folder, target)


def read_tree(folder: int, note: Callable[[Node, bytes], object]) -> Node:
    """Return the tree below an open folder; ``note`` is called with each file and its path."""
    owners = Owners.here()
    above: dict[bytes, Node] = {b".": _node(folder, b".", owners)}
    inodes: dict[tuple[int, int], Node] = {}
    for path, folders, files, _ in os.fwalk(b".", dir_fd=folder):
        for name in sorted([*folders, *files]):
            place = os.path.join(path, name)  # noqa: PTH118 - bytes
            status = os.stat(place, dir_fd=folder, follow_symlinks=False)
            node = inodes.get((status.st_dev, status.st_ino))
            if node is None:
                node = inodes[status.st_dev, status.st_ino] = _node(folder, place, owners)
                if stat.S_ISREG(node.mode):
                    note(node, place)
            above[path].entries[name] = node
            if stat.S_ISDIR(node.mode):
                above[place] = node
    return above[b"."]


def _node(folder: int, path: bytes, owners: Owners) -> Node:
    status = os.stat(path, dir_fd=folder, follow_symlinks=False)
    kind = stat.S_IFMT(status.st_mode)
    if kind not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK) and (kind != _WHITEOUT or status.st_rdev):
        raise BackendError(f"{os.fsdecode(path)!r} is no file, folder, link or whiteout, and no layer may hold it")
    uid, gid = owners.of_name(path, status, folder=folder)
    return Node(
        mode=status.st_mode,
        uid=outside(uid),
        gid=outside(gid),
        mtime=status.st_mtime_ns,
        size=status.st_size if kind == stat.S_IFREG else 0,
        target=os.readlink(path, dir_fd=folder) if kind == stat.S_IFLNK else b"",
        xattrs=_xattrs(folder, path) if kind in (stat.S_IFREG, stat.S_IFDIR) else {},
    )


def _xattrs(folder: int, path: bytes) -> dict[str, bytes]:
    descriptor = os.open(path, _OPEN, dir_fd=folder)
    try:
        names = [each for each in os.listxattr(descriptor) if not each.startswith(OURS)]
        found = {name: os.getxattr(descriptor, name) for name in names}
    finally:
        os.close(descriptor)
    # Which of both an overlay believes depends on who mounts it.
    ours, theirs = _FOR_OVERLAYS
    return found | {theirs + name.removeprefix(ours): found[name] for name in found if name.startswith(ours)}


def _copy_files(plotted: Plotted, paths: dict[Node, bytes], folder: int, target: int) -> None:
    for node, start in plotted.files:
        descriptor = os.open(paths[node], _OPEN, dir_fd=folder)
        try:
            at, left = start, node.size
            while left:
                copied = os.copy_file_range(descriptor, target, left, None, at)
                if not copied:
                    raise BackendError(f"{os.fsdecode(paths[node])!r} became shorter while it was read")
                at, left = at + copied, left - copied
        finally:
            os.close(descriptor)


def _write_all(target: int, content: bytes, at: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(target, view, at)
        view, at = view[written:], at + written
