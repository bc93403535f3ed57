"""``TreeWriter``: lays files into a tree that it does not trust: no link on the way is ever followed."""

import errno
import hashlib
import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from pipeline.declare.errors import PackageError
from pipeline.declare.reasons import Reason

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MAX_PATH = 4095
"""Bytes of a path: PATH_MAX of linux/limits.h, less the NUL."""


class TreeWriter(AbstractContextManager["TreeWriter"]):
    """Writes below one folder. Paths are relative to it, with ``/``.

    Args:
        root: the folder: its path, or a descriptor of it, which stays open.
        owner: whose files they are, for messages.

    Raises:
        PackageError: from every method: a path leaves the tree, leads through a link, or is taken by other content.
    """

    def __init__(self, root: Path | int, owner: str) -> None:
        self.owner = owner
        self._root = os.dup(root) if isinstance(root, int) else os.open(root, _FOLDER & ~os.O_NOFOLLOW)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the folder."""
        os.close(self._root)

    def folder(self, path: str) -> None:
        """Make a folder and those above it, mode 0755; nothing happens if it is there."""
        os.close(self._open_folder(clean(path, self.owner).split("/")))

    def file(self, path: str, blocks: Iterable[bytes], *, mode: int, mtime: int) -> None:
        """Write a file; one that is there already with the same content stays.

        Args:
            path: where.
            blocks: its content, read once.
            mode: its permission bits, whatever the umask.
            mtime: seconds since 1970.
        """
        *above, name = clean(path, self.owner).split("/")
        folder = self._open_folder(above)
        try:
            self._write(folder, name, path, blocks, (mode, mtime))
        finally:
            os.close(folder)

    def link(self, path: str, target: str, *, mtime: int) -> None:
        """Make a symbolic link; the caller has judged its target."""
        *above, name = clean(path, self.owner).split("/")
        folder = self._open_folder(above)
        try:
            os.symlink(target, name, dir_fd=folder)
            os.utime(name, (mtime, mtime), dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            raise PackageError(f"{self.owner}: {path!r} is in the tree already", reason=Reason.PATH_TAKEN) from None
        finally:
            os.close(folder)

    def _write(self, folder: int, name: str, path: str, blocks: Iterable[bytes], about: tuple[int, int]) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, 0o600, dir_fd=folder)
        except FileExistsError:
            if not _holds(folder, name, blocks):
                message = f"{self.owner}: {path!r} is in the tree already, with other content"
                raise PackageError(message, reason=Reason.PATH_TAKEN) from None
            return
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            file.writelines(blocks)
            file.flush()
            os.fchmod(descriptor, about[0])
            os.utime(descriptor, (about[1], about[1]))

    def _open_folder(self, parts: list[str]) -> int:
        here = os.dup(self._root)
        for part in parts:
            try:
                below = _enter(part, here)
            except OSError as error:
                if error.errno in {errno.ELOOP, errno.ENOTDIR}:
                    message = f"{self.owner}: {'/'.join(parts)!r} leads through {part!r}, which is no folder"
                    raise PackageError(message, reason=Reason.PATH_LINK) from None
                raise
            finally:
                os.close(here)
            here = below
        return here


def clean(path: str, owner: str) -> str:
    """Return ``path`` without empty and ``.`` parts.

    Raises:
        PackageError: it is absolute, leaves the tree, is empty, too long, or holds NUL or a backslash.
    """
    parts = [part for part in path.split("/") if part not in {"", "."}]
    bad = path.startswith("/") or ".." in parts or not parts or "\0" in path or "\\" in path
    if bad or len(os.fsencode(path)) > MAX_PATH:
        message = f"{owner}: the path {path[:200]!r} is refused: it is no plain path below the tree"
        raise PackageError(message, reason=Reason.PATH)
    return "/".join(parts)


def _enter(name: str, above: int) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=above)
    except FileNotFoundError:
        os.mkdir(name, 0o755, dir_fd=above)
    folder = os.open(name, _FOLDER, dir_fd=above)
    os.fchmod(folder, 0o755)  # whatever the umask
    return folder


def _holds(folder: int, name: str, blocks: Iterable[bytes]) -> bool:
    """Tell whether the file that is there holds just ``blocks``."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return False
    wanted = hashlib.sha256()
    for block in blocks:
        wanted.update(block)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
        try:
            return hashlib.file_digest(file, "sha256").digest() == wanted.digest()
        except OSError:
            return False
