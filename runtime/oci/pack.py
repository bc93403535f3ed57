"""Pack a directory tree into a layer: the same tree gives the same bytes.

Entries are sorted by the bytes of their paths; times are clamped to the epoch; of several hard links the first is the
file; sockets are left out; of extended attributes ``user.*`` and ``security.capability`` are kept. The upper directory
of an overlay is packed as what it changes: its whiteouts become the specification's.

Source: OCI image specification, layer.md.
"""

import contextlib
import errno
import hashlib
import os
import stat
from collections import deque
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

from runtime.data import dataclass, replace
from runtime.digest import Digest
from runtime.errors import ImageError
from runtime.oci.folder import OPAQUE
from runtime.oci.gzip import MEMBER, compress_member
from runtime.oci.owners import OURS, Owners
from runtime.oci.tar import END, Entry, Kind, padding, to_header
from runtime.oci.trees import empty_folder
from runtime.oci.unpack import OPAQUE_WHITEOUT, WHITEOUT

_READ = 1 << 20
_AHEAD = 2
"""Members that are compressed at once, beside the thread that reads and hashes."""

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOATIME
_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFLNK: Kind.SYMLINK, stat.S_IFDIR: Kind.DIRECTORY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What was written: the digest of the archive, and how many entries it has."""

    diff_id: Digest
    entries: int


def pack_tree(
    root: int,
    out: BinaryIO | None,
    *,
    epoch: int,
    exclude: Collection[bytes] = (),
    only: Collection[bytes] | None = None,
) -> Packed:
    """Write a tree as a gzip layer, or the part of it that some files are.

    Args:
        root: descriptor of the directory; its own owner and mode are not part of the layer.
        out: takes the compressed bytes; None to know the digest of the archive only.
        epoch: no time in the layer is later than this, in seconds since 1970.
        exclude: paths relative to the root that are left out, with all below them.
        only: paths of files, if not all are packed. The folders on the way come with them, at the time 0: what else is
            in them, and so when they were changed, must not show. A layer above says their own times.

    Raises:
        ImageError: the tree holds a device, a pipe, or a name that would be read as a whiteout.
        OSError: the tree cannot be read, or changed while it was read.
    """
    count = 0
    links: dict[tuple[int, int], bytes] = {}
    chosen = None if only is None else _with_folders(only)
    with ThreadPoolExecutor(_AHEAD, thread_name_prefix="compress") as pool:
        writer = _Writer(out, pool)
        for entry, parent in _walk(root, b"", _Choice(exclude=frozenset(exclude), only=chosen), Owners.here()):
            packed = _as_hardlink(entry, parent, links)
            is_way = only is not None and packed.kind is Kind.DIRECTORY
            packed = replace(packed, mtime=0 if is_way else min(packed.mtime, epoch))
            writer.write(to_header(packed))
            if packed.kind is Kind.FILE and packed.size:
                _copy_content(parent, packed, writer)
            count += 1
        writer.write(END)
        return Packed(diff_id=writer.finish(), entries=count)


def clamp(root: int, *, epoch: int, left_out: Collection[bytes] = ()) -> None:
    """Make a tree that was packed what its layer unpacks to.

    Args:
        root: descriptor of the directory.
        epoch: as of ``pack_tree``.
        left_out: paths that were excluded.
    """
    _clamp(root, b"", epoch, frozenset(left_out))


def _clamp(directory: int, prefix: bytes, epoch: int, left_out: frozenset[bytes]) -> None:
    for name in _names(directory):
        path = prefix + name
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        is_folder = stat.S_ISDIR(status.st_mode)
        if is_folder:
            with _opened(name, _OPEN_DIRECTORY, directory) as below:
                if path in left_out:
                    empty_folder(below)
                else:
                    _clamp(below, path + b"/", epoch, left_out)
        if path in left_out or stat.S_ISSOCK(status.st_mode):
            (os.rmdir if is_folder else os.unlink)(name, dir_fd=directory)
            continue
        seconds = max(0, min(status.st_mtime_ns // 1_000_000_000, epoch))
        if is_folder or status.st_mtime_ns != seconds * 1_000_000_000:
            os.utime(name, (seconds, seconds), dir_fd=directory, follow_symlinks=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """Which paths of a tree are packed; ``only`` None for all that are not excluded."""

    exclude: frozenset[bytes]
    only: frozenset[bytes] | None

    def has(self, path: bytes) -> bool:
        return path not in self.exclude and (self.only is None or path in self.only)


def _with_folders(paths: Collection[bytes]) -> frozenset[bytes]:
    """Return some paths and those of all folders on the way to them."""
    found = set(paths)
    for path in paths:
        above = path.rpartition(b"/")[0]
        while above and above not in found:
            found.add(above)
            above = above.rpartition(b"/")[0]
    return frozenset(found)


class _Writer:
    """Hashes the archive and, where there is who takes it, compresses it in members of fixed length.

    Args:
        out: takes the members, in their order.
        pool: compresses them: each has bytes of its own, whoever makes it and when.
    """

    def __init__(self, out: BinaryIO | None, pool: ThreadPoolExecutor) -> None:
        self._out = out
        self._pool = pool
        self._hash = hashlib.sha256()
        self._waiting = bytearray()
        self._members: deque[Future[bytes]] = deque()

    def write(self, content: bytes) -> None:
        self._hash.update(content)
        if self._out is None:
            return
        self._waiting += content
        while len(self._waiting) >= MEMBER:
            self._compress(bytes(self._waiting[:MEMBER]))
            del self._waiting[:MEMBER]

    def finish(self) -> Digest:
        if self._out is not None:
            if self._waiting:
                self._compress(bytes(self._waiting))
            while self._members:
                self._out.write(self._members.popleft().result())
            self._out.flush()
        return Digest(f"sha256:{self._hash.hexdigest()}")

    def _compress(self, content: bytes) -> None:
        if len(self._members) == _AHEAD and self._out is not None:
            self._out.write(self._members.popleft().result())
        self._members.append(self._pool.submit(compress_member, content))


def _walk(directory: int, prefix: bytes, choice: _Choice, owners: Owners) -> Iterator[tuple[Entry, int]]:
    """Yield entries with the descriptor of their parent, a folder before what is in it."""
    if prefix and _is_opaque(directory):
        yield _marker(prefix + OPAQUE_WHITEOUT), directory
    for name in _names(directory):
        path = prefix + name
        if not choice.has(path):
            continue
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            yield _marker(prefix + WHITEOUT + name), directory
        elif not stat.S_ISSOCK(status.st_mode):
            entry = _entry(path, name, directory, status, owners)
            yield entry, directory
            if entry.kind is Kind.DIRECTORY:
                with _opened(name, _OPEN_DIRECTORY, directory) as below:
                    yield from _walk(below, path + b"/", choice, owners)


def _names(directory: int) -> list[bytes]:
    """Return the names in a folder in the order of the paths below it: a folder sorts as its name and a slash."""
    with os.scandir(directory) as found:
        keys = [os.fsencode(each.name) + (b"/" if each.is_dir(follow_symlinks=False) else b"") for each in found]
    return [key.removesuffix(b"/") for key in sorted(keys)]


def _entry(path: bytes, name: bytes, directory: int, status: os.stat_result, owners: Owners) -> Entry:
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        raise ImageError(f"/{os.fsdecode(path)} is a device or a pipe; a layer cannot hold it")
    if name.startswith(WHITEOUT):
        raise ImageError(f"/{os.fsdecode(path)} would be read as a whiteout; rename it")
    uid, gid = owners.of_name(name, status, folder=directory)
    return Entry(
        path=path,
        kind=kind,
        mode=stat.S_IMODE(status.st_mode) if kind is not Kind.SYMLINK else 0o777,
        uid=uid,
        gid=gid,
        mtime=max(0, int(status.st_mtime_ns // 1_000_000_000)),
        size=status.st_size if kind is Kind.FILE else 0,
        target=os.readlink(name, dir_fd=directory) if kind is Kind.SYMLINK else b"",
        xattrs=_xattrs(path, name, directory) if kind is not Kind.SYMLINK else {},
    )


def _marker(path: bytes) -> Entry:
    return Entry(path=path, kind=Kind.FILE, mode=0o600, uid=0, gid=0, mtime=0)


def _as_hardlink(entry: Entry, parent: int, links: dict[tuple[int, int], bytes]) -> Entry:
    if entry.kind is not Kind.FILE or entry.path.rpartition(b"/")[2].startswith(WHITEOUT):
        return entry
    status = os.stat(entry.path.rpartition(b"/")[2], dir_fd=parent, follow_symlinks=False)
    if status.st_nlink < 2:
        return entry
    first = links.setdefault((status.st_dev, status.st_ino), entry.path)
    if first == entry.path:
        return entry
    return replace(entry, kind=Kind.HARDLINK, size=0, target=first, xattrs={})


def _copy_content(parent: int, entry: Entry, writer: _Writer) -> None:
    with _opened(entry.path.rpartition(b"/")[2], _OPEN_FILE, parent) as descriptor:
        left = entry.size
        while left:
            part = os.read(descriptor, min(left, _READ))
            if not part:
                raise OSError(errno.ESTALE, "the file became shorter while it was read", os.fsdecode(entry.path))
            writer.write(part)
            left -= len(part)
    writer.write(padding(entry.size))


def _xattrs(path: bytes, name: bytes, directory: int) -> dict[str, bytes]:
    with _opened(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, directory) as descriptor:
        names = sorted(os.listxattr(descriptor))
        for key in ("user.overlay.redirect", "user.overlay.metacopy"):
            if key in names:
                raise ImageError(f"/{os.fsdecode(path)} has {key}: the overlay was mounted with options of its own")
        kept = (key for key in names if _is_kept(key))
        return {key: os.getxattr(descriptor, key) for key in kept}


def _is_kept(key: str) -> bool:
    return key == "security.capability" or (key.startswith("user.") and not key.startswith(("user.overlay.", OURS)))


def _is_opaque(directory: int) -> bool:
    try:
        return os.getxattr(directory, OPAQUE) == b"y"
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return False
        raise


@contextlib.contextmanager
def _opened(name: bytes, flags: int, directory: int) -> Iterator[int]:
    descriptor = os.open(name, flags, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
