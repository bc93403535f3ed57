"""``Trees``: layers unpacked once, each into its own directory; those that were cut from one tree into one."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from runtime.digest import Digest
from runtime.errors import SeatrialError, StoreError
from runtime.oci import temporary
from runtime.oci.descriptor import PART
from runtime.oci.image import Layer
from runtime.oci.store import Store

if TYPE_CHECKING:
    from runtime.oci.archive import Limits

T = TypeVar("T")

_PAUSES = (0.02, 0.1, 0.3)
"""Seconds between attempts to remove a folder."""


class Mapped(Protocol):
    """Calls a function with a descriptor for each directory, as user 0 of a user namespace, and returns its result."""

    def __call__(self, function: Callable[..., T], /, *, directories: tuple[Path, ...]) -> T:
        """Call ``function``."""


class Trees:
    """Unpacked layers, by the digest of their archives. Owners are those of the mapped user namespace.

    Many processes may use one folder at a time. A tree appears whole, by rename, and is never changed.

    Args:
        root: the folder.
        store: where the layers' blobs are.
        mapped: how to act as the ids of a run.
        owner: uid and gid outside of the namespace that are user 0 inside: new folders are given to them.
        limits: caps against bombs.
    """

    def __init__(
        self, root: Path, store: Store, mapped: Mapped, *, owner: tuple[int, int], limits: "Limits | None" = None
    ) -> None:
        self._root = root
        self._store = store
        self._mapped = mapped
        self._owner = owner
        self._limits = limits

    def path(self, layers: tuple[Layer, ...]) -> Path:
        """Return the directory of a layer, or of neighbors that were cut from one tree; unpack it if there is none.

        Raises:
            RefusedError: a layer is not what its image says, or holds what is refused.
            StoreError: a blob is missing, or the folder cannot be written.
        """
        name = _name_of(layers)
        target = self._root / name
        if target.is_dir():
            return target
        try:
            with self._locked(name):
                if not target.is_dir():
                    self._unpack(layers, target)
        except OSError as error:
            raise _unusable(self._root, error) from error
        return target

    def paths(self, layers: Iterable[Layer]) -> tuple[Path, ...]:
        """Return the directories of some layers, in their order; see ``path``.

        Neighbors that were cut from one tree are one directory: a run looks for each name in every directory there is.
        """
        return tuple(self.path(each) for each in _wholes(layers))

    def hold(self, layers: Iterable[Layer]) -> bool:
        """Tell whether all of some layers are unpacked here already."""
        return all((self._root / _name_of(each)).is_dir() for each in _wholes(layers))

    def settle(self, folder: Path) -> None:
        """Let the disk have a folder of ``new_folder``: ``keep`` has not to wait for it, then.

        Raises:
            StoreError: it cannot be written.
        """
        try:
            self._mapped(sync_tree, directories=(folder,))
        except OSError as error:
            raise _unusable(folder, error) from error

    def keep(self, folder: Path, layers: tuple[Layer, ...]) -> None:
        """Make a folder of ``new_folder`` the directory of layers, without unpacking them.

        It is renamed, or left if the directory is there already.

        Args:
            folder: holds what unpacking the layers would make.
            layers: one, or neighbors that were cut from one tree.

        Raises:
            StoreError: the folder cannot be written.
        """
        name = _name_of(layers)
        try:
            with self._locked(name):
                if not (self._root / name).is_dir():
                    self._mapped(sync_tree, directories=(folder,))
                    folder.rename(self._root / name)
        except OSError as error:
            raise _unusable(self._root, error) from error

    @contextlib.contextmanager
    def new_folder(self) -> Iterator[Path]:
        """Yield an empty folder that belongs to user 0 of the namespace; what is left of it afterwards is removed."""
        self._make_root()
        with temporary.new_folder(self._root) as folder:
            try:
                if os.geteuid() == 0:
                    os.chown(folder, *self._owner)
                folder.chmod(0o755)
                yield folder
            except BaseException as error:
                try:
                    self._remove_left(folder)
                except StoreError as second:
                    error.add_note(second.message)
                raise
            self._remove_left(folder)

    def remove(self, folder: Path) -> None:
        """Remove a folder below this one and all that is in it, whoever owns it.

        Raises:
            StoreError: it cannot be removed.
        """
        try:
            if os.geteuid() == 0:
                _empty(folder)  # what was not given to the mapped ids yet is there too
            else:
                self._mapped(empty_folder, directories=(folder,))
            folder.rmdir()
        except OSError as error:
            raise _unusable(folder, error) from error

    def sweep(self) -> int:
        """Remove the folders that dead processes left, beside any living ones; return how many that were."""
        return temporary.sweep(self._root, remove=self._remove_stale)

    def _make_root(self) -> None:
        """Make the folder of all trees, closed to other users.

        Images hold set-user-id programs, and the owners of a tree are real ids of this machine: who could reach one
        would become its owner (CVE-2021-41091).
        """
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._root.stat().st_uid == os.geteuid() and self._root.stat().st_mode & 0o077:
            self._root.chmod(0o700)

    def _remove_stale(self, folder: Path) -> None:
        """Remove a folder in which the last process of a run may be dying yet: it can still write for a moment."""
        for pause in _PAUSES:
            try:
                self.remove(folder)
            except StoreError:
                time.sleep(pause)
            else:
                return
        with contextlib.suppress(SeatrialError):  # the next start tries again
            self.remove(folder)

    def _remove_left(self, folder: Path) -> None:
        if folder.is_dir():
            self.remove(folder)

    def _unpack(self, layers: tuple[Layer, ...], target: Path) -> None:
        from runtime.oci.stream import prepare  # noqa: PLC0415 - once a layer, and not where all are unpacked
        from runtime.oci.unpack import unpack_layers  # noqa: PLC0415 - likewise

        for each in layers:
            prepare(each.descriptor)
        with contextlib.ExitStack() as stack:  # opened out here: who unpacks has other ids
            opened = [
                (stack.enter_context(self._store.open(each.descriptor.digest)), each.descriptor, each.diff_id)
                for each in layers
            ]
            folder = stack.enter_context(self.new_folder())

            def unpack(root: int) -> None:
                unpack_layers(opened, root, self._limits)
                sync_tree(root)

            self._mapped(unpack, directories=(folder,))
            folder.rename(target)

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        self._make_root()
        locks = self._root / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / name).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _wholes(layers: Iterable[Layer]) -> Iterator[tuple[Layer, ...]]:
    """Yield layers, those together that were cut from one tree."""
    for part, neighbors in groupby(layers, lambda each: each.descriptor.annotations.get(PART, "")):
        if part:
            yield tuple(neighbors)
        else:
            yield from ((each,) for each in neighbors)


def _name_of(layers: tuple[Layer, ...]) -> str:
    if len(layers) == 1:
        return layers[0].diff_id.hex
    return Digest.of_json([each.diff_id.text for each in layers]).hex


def empty_folder(root: int) -> None:
    """Remove all that is below a directory descriptor, never through a link; the directory itself stays."""
    with os.scandir(root) as found:
        names = [(each.name, each.is_dir(follow_symlinks=False)) for each in found]
    for name, is_directory in names:
        if not is_directory:
            os.unlink(name, dir_fd=root)
            continue
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
        try:
            os.fchmod(below, 0o700)
            empty_folder(below)
        finally:
            os.close(below)
        os.rmdir(name, dir_fd=root)


def _empty(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        empty_folder(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(root: int) -> None:
    """Let the disk have what was written below a descriptor, with all else on its file system."""
    # One fsync a file would cost seconds a layer. Renaming an unsynced tree could make an empty one visible after a
    # crash, so the whole file system is written once a layer.
    import ctypes  # noqa: PLC0415 - only here

    if ctypes.CDLL(None, use_errno=True).syncfs(ctypes.c_int(root)):
        code = ctypes.get_errno()
        raise OSError(code, f"syncfs: {os.strerror(code)}")


def _unusable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path} cannot be written: {error.strerror} ({error.filename})")
