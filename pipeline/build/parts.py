"""Cut a tree into parts that other images have too: by whose the files are, never by what other images there are.

What packages bring is cut by package, and its bytes depend on the package alone. What was made of all packages together
(the database of dpkg, ``ld.so.cache``, accounts, links of alternatives) is the rest, a small layer above the others; it
holds every folder, so the tree that the layers stack to is the one that was cut.
"""

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

FIRST = ""
"""The owner whose files are a part of their own and lie lowest, whatever their size: what every image has."""

LARGE = 1 << 20
"""Bytes from which the files of one owner are a part of their own."""

MOST = 12
"""How many large owners have a part of their own, the largest first."""

SHARED = 4
"""Parts for all other owners, who are spread over them by their names: a change in one leaves the others.

With ``FIRST`` and the rest that is 18 layers of Debian packages and 17 of wheels at most, and most images have half of
that: each layer is one more request to a registry, and other engines look into each for every name in a run.
"""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CACHE = b"__pycache__/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some files of a tree.

    Args:
        only: their paths; None for the rest.
        exclude: of the rest, the paths that it has not.
    """

    only: frozenset[bytes] | None = None
    exclude: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Something in a tree, and whose it is; None for nobody's."""

    path: bytes
    owner: str | None = None
    size: int = 0
    inode: tuple[int, int] | None = None


def cut(root: int, owners: Mapping[bytes, str], *, epoch: int) -> tuple[Part, ...]:
    """Return the parts of a tree in the order of their layers: ``FIRST``, the large ones, the shared ones, the rest.

    Byte-code belongs to the owner of its source, and gets its time here: that of its making would differ from image to
    image. A file that is newer than the epoch was written while the tree was made, and is nobody's.

    Args:
        root: descriptor of the tree.
        owners: path → whose it is, of files and links.
        epoch: the newest time of a package; seconds since 1970.
    """
    found = _agree_on_links(tuple(_walk(root, b"", owners, epoch)))
    sizes: dict[str, int] = defaultdict(int)
    for each in found:
        if each.owner is not None:
            sizes[each.owner] += each.size
    places = plan(sizes)
    parts: dict[tuple[int, str], set[bytes]] = defaultdict(set)
    for each in found:
        if each.owner is not None:
            parts[places[each.owner]].add(each.path)
    chosen = [frozenset(parts[place]) for place in sorted(parts)]
    rest = Part(exclude=frozenset().union(*chosen))
    is_rest = any(each.owner is None for each in found) or not chosen
    return (*(Part(only=each) for each in chosen), *((rest,) if is_rest else ()))


def plan(sizes: Mapping[str, int]) -> Mapping[str, tuple[int, str]]:
    """Return owner → its part; the parts sort as their layers do.

    Args:
        sizes: owner → bytes of its files.
    """
    large = [name for name, size in sizes.items() if size >= LARGE and name != FIRST]
    alone = frozenset(sorted(large, key=lambda name: (-sizes[name], name))[:MOST])
    shared = {name: hashlib.sha256(name.encode()).digest()[0] % SHARED for name in sizes}
    return {
        name: (0, "") if name == FIRST else (1, name) if name in alone else (2, str(number))
        for name, number in shared.items()
    }


def _walk(directory: int, prefix: bytes, owners: Mapping[bytes, str], epoch: int) -> Iterator[_Found]:
    """Yield files, links, and folders that the way to a file says too little of."""
    for name in sorted(os.listdir(directory)):
        path = prefix + os.fsencode(name)
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            owner = _owner(directory, path, status, owners, epoch)
            inode = (status.st_dev, status.st_ino) if status.st_nlink > 1 else None
            yield _Found(path=path, owner=owner, size=status.st_size, inode=inode)
            continue
        below = os.open(name, _FOLDER, dir_fd=directory)
        try:
            inside = tuple(_walk(below, path + b"/", owners, epoch))
        finally:
            os.close(below)
        yield from inside
        if not inside or status.st_mtime_ns:
            yield _Found(path=path)


def _owner(directory: int, path: bytes, status: os.stat_result, owners: Mapping[bytes, str], epoch: int) -> str | None:
    if path in owners:
        return owners[path] if int(status.st_mtime) <= epoch else None
    source = _source(path)
    owner = owners.get(source)
    if owner is None or not stat.S_ISREG(status.st_mode):
        return None
    try:
        made = os.stat(b"../" + source.rpartition(b"/")[2], dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if int(made.st_mtime) > epoch:
        return None
    os.utime(path.rpartition(b"/")[2], ns=(made.st_mtime_ns, made.st_mtime_ns), dir_fd=directory)
    return owner


def _source(path: bytes) -> bytes:
    """Return the path of the source of byte-code; empty if it is none.

    Source: PEP 3147.
    """
    folder, name = path[: path.rfind(b"/") + 1], path.rpartition(b"/")[2]
    parts = name.split(b".")
    if not folder.endswith(_CACHE) or len(parts) < 3 or parts[-1] != b"pyc":
        return b""
    stem = b".".join(parts[:-3] if parts[-2].startswith(b"opt-") else parts[:-2])
    return folder.removesuffix(_CACHE) + stem + b".py"


def _agree_on_links(found: Sequence[_Found]) -> Iterable[_Found]:
    """Leave hard links of one file to nobody if they are not one owner's: one layer has to hold all of them."""
    owners: dict[tuple[int, int], set[str | None]] = defaultdict(set)
    for each in found:
        if each.inode is not None:
            owners[each.inode].add(each.owner)
    torn = {inode for inode, names in owners.items() if len(names) > 1}
    return [replace(each, owner=None) if each.inode in torn else each for each in found]
