"""``Folder``: write a tree below one directory descriptor, never through a symbolic link and never outside of it.

Every parent is opened component by component with O_NOFOLLOW, relative to the descriptor of the one before, so no path
is ever resolved by the kernel: what ``openat2`` with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS gives, on every kernel.
"""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

from runtime.oci.owners import Owners
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.tar import Entry, Kind

_OPEN_PARENT = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_KEPT_OPEN = 32

OPAQUE = "user.overlay.opaque"
"""The attribute of a directory that hides what is below it. Source: Linux Documentation/filesystems/overlayfs.rst."""


def is_opaque(directory: int) -> bool:
    """Tell whether a directory, open by its descriptor, hides what is below it."""
    try:
        return os.getxattr(directory, OPAQUE) == b"y"
    except OSError:
        return False


def is_whiteout(status: os.stat_result) -> bool:
    """Tell whether what ``lstat`` told of hides what is below it."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


class Folder:
    """A tree that is being written. Owners, modes and times of directories are set last, by ``finish``.

    Args:
        root: descriptor of an empty directory that nobody else writes to; it stays open.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._owners = Owners.here()
        self._kinds: dict[bytes, Kind | None] = {b"": Kind.DIRECTORY}
        self._directories: dict[bytes, Entry] = {}
        self._open: dict[bytes, int] = {}
        self._names = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def has(self, path: bytes) -> bool:
        """Tell whether anything was written at ``path``, a whiteout included."""
        return path in self._kinds

    def __len__(self) -> int:
        """Return how many paths there are, whiteouts and folders that no entry names included."""
        return len(self._kinds)

    @property
    def names(self) -> int:
        """Bytes of all the paths that are kept in memory until the end."""
        return self._names

    def is_directory(self, path: bytes) -> bool:
        """Tell whether a directory was written at ``path``, or is on the way to what was written."""
        return self._kinds.get(path) is Kind.DIRECTORY

    def is_given(self, path: bytes) -> bool:
        """Tell whether a directory was written at ``path`` by an entry of its own, not only as a parent."""
        return path in self._directories

    def add(self, entry: Entry, content: Iterable[bytes] = ()) -> None:
        """Write one entry; its path has been checked to be relative and normal.

        Raises:
            RefusedError: it goes through something that is no directory, is there twice, or links to nothing.
        """
        if entry.kind is Kind.DIRECTORY:
            self._add_directory(entry)
            return
        parent, name = self._place(entry.path)
        match entry.kind:
            case Kind.FILE:
                self._write_file(parent, name, entry, content)
            case Kind.SYMLINK:
                os.symlink(entry.target, name, dir_fd=parent)
                self._owners.give_name(name, (entry.uid, entry.gid), folder=parent)
                os.utime(name, (entry.mtime, entry.mtime), dir_fd=parent, follow_symlinks=False)
            case Kind.HARDLINK:
                self._link(entry, parent, name)
        self._note(entry.path, entry.kind)

    def add_whiteout(self, path: bytes) -> None:
        """Hide what lower layers have at ``path``, in overlayfs's way: a character device 0:0."""
        if self.has(path):
            raise RefusedError(Refusal.WHITEOUT_CONFLICT, f"{path!r} is both hidden and given by one layer")
        parent, name = self._place(path)
        os.mknod(name, stat.S_IFCHR, 0, dir_fd=parent)
        self._note(path, None)

    def make_opaque(self, path: bytes) -> None:
        """Hide all that lower layers have below the directory ``path``."""
        os.setxattr(self._directory(path), OPAQUE, b"y")

    def finish(self) -> None:
        """Give the directories their owners, modes and times, the deepest first: writing into one changes its time."""
        for path in sorted(self._directories, reverse=True):
            entry = self._directories[path]
            descriptor = self._directory(path)
            self._owners.give(descriptor, (entry.uid, entry.gid))
            os.fchmod(descriptor, entry.mode)
            _set_xattrs(descriptor, entry.xattrs)
            os.utime(descriptor, (entry.mtime, entry.mtime))

    def _add_directory(self, entry: Entry) -> None:
        if entry.path in self._kinds:
            if self._kinds[entry.path] is not Kind.DIRECTORY:
                reason = Refusal.ROOT_TYPE if not entry.path else self._conflict(entry.path)
                raise RefusedError(reason, f"{entry.path!r} is a directory and something else in one layer")
        else:
            parent, name = self._place(entry.path)
            os.mkdir(name, 0o700, dir_fd=parent)
        self._note(entry.path, Kind.DIRECTORY)
        self._directories[entry.path] = entry

    def _place(self, path: bytes) -> tuple[int, bytes]:
        """Return the parent's descriptor and the last component, for something that is not there yet."""
        if path in self._kinds:
            raise RefusedError(self._conflict(path), f"{path!r} is in one layer twice")
        parent, _, name = path.rpartition(b"/")
        return self._directory(parent), name

    def _note(self, path: bytes, kind: Kind | None) -> None:
        if path not in self._kinds:
            self._names += len(path)
        self._kinds[path] = kind

    def _conflict(self, path: bytes) -> Refusal:
        if not path:
            return Refusal.ROOT_TYPE
        return Refusal.WHITEOUT_CONFLICT if self._kinds[path] is None else Refusal.NAME_DUPLICATE

    def _directory(self, path: bytes) -> int:
        """Return a descriptor of a directory of this tree; missing ones are made, root's and 0755."""
        if not path:
            return self._root
        if path in self._open:
            return self._open[path]
        kind = self._kinds.get(path, Kind.DIRECTORY)
        if kind is not Kind.DIRECTORY:
            reason = Refusal.THROUGH_LINK if kind is Kind.SYMLINK else Refusal.THROUGH_FILE
            raise RefusedError(reason, f"an entry lies below {path!r}, which is no directory in this layer")
        parent, _, name = path.rpartition(b"/")
        above = self._directory(parent)
        if path not in self._kinds:
            os.mkdir(name, 0o755, dir_fd=above)
            os.chmod(name, 0o755, dir_fd=above)  # noqa: S103 - whatever the umask
            self._note(path, Kind.DIRECTORY)
        descriptor = os.open(name, _OPEN_PARENT, dir_fd=above)
        self._remember(path, descriptor)
        return descriptor

    def _remember(self, path: bytes, descriptor: int) -> None:
        if len(self._open) >= _KEPT_OPEN:
            # The oldest may be the parent in use by a caller above us: its children were opened after it, and it is
            # opened again when it is needed. A dictionary keeps the order of insertion.
            for old in list(self._open)[: _KEPT_OPEN // 2]:
                if not path.startswith(old + b"/"):
                    os.close(self._open.pop(old))
        self._open[path] = descriptor

    def _write_file(self, parent: int, name: bytes, entry: Entry, content: Iterable[bytes]) -> None:
        descriptor = os.open(name, _CREATE, 0o600, dir_fd=parent)
        try:
            for part in content:
                view = memoryview(part)
                while view:
                    view = view[os.write(descriptor, view) :]
            # The owner first: chown clears set-id bits and file capabilities.
            self._owners.give(descriptor, (entry.uid, entry.gid))
            os.fchmod(descriptor, entry.mode)
            _set_xattrs(descriptor, entry.xattrs)
            os.utime(descriptor, (entry.mtime, entry.mtime))
        finally:
            os.close(descriptor)

    def _link(self, entry: Entry, parent: int, name: bytes) -> None:
        target = entry.target.removeprefix(b"./")
        kind = self._kinds.get(target)
        if kind is None:
            message = f"{entry.path!r} is a hard link to {entry.target!r}, which this layer has not given before"
            raise RefusedError(Refusal.HARDLINK_ABSENT, message)
        if kind not in (Kind.FILE, Kind.HARDLINK):
            raise RefusedError(
                Refusal.HARDLINK_TYPE, f"{entry.path!r} is a hard link to {entry.target!r}, which is no file"
            )
        folder, _, last = target.rpartition(b"/")
        with _duplicate(parent) as own:
            os.link(last, name, src_dir_fd=self._directory(folder), dst_dir_fd=own, follow_symlinks=False)


@contextlib.contextmanager
def _duplicate(descriptor: int) -> Iterator[int]:
    # Opening the source's folder may close the oldest descriptors, the destination's among them.
    copy = os.dup(descriptor)
    try:
        yield copy
    finally:
        os.close(copy)


def _set_xattrs(descriptor: int, xattrs: Mapping[str, bytes]) -> None:
    for key, value in xattrs.items():
        os.setxattr(descriptor, key, value)
