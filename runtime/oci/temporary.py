"""Files and folders that are not finished yet, told from those that dead processes left.

Whoever makes one holds a lock on it (flock) while it is under way. The kernel gives the lock back when the last process
that holds it ends, however it ends: what can be locked by another belongs to nobody any more, and may be removed at any
time, beside any number of processes at work.

Source: flock(2); a lock belongs to the open file, so processes forked meanwhile hold it too.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

PREFIX = ".new-"
"""What the names of unfinished files and folders begin with."""


@contextlib.contextmanager
def new_file(folder: Path, *, prefix: str = PREFIX) -> Iterator[BinaryIO]:
    """Yield a new file, open for reading and writing, with its path as its ``name``.

    Whoever renames it keeps it; otherwise it is gone afterwards.

    Raises:
        OSError: the folder cannot be written.
    """
    with _claimed_file(folder, prefix) as file:
        try:
            yield file
        finally:
            Path(file.name).unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a new empty folder below ``folder``, closed to other users.

    It is not removed: whoever makes it renames it, or removes it before the end.

    Raises:
        OSError: ``folder`` cannot be written.
    """
    while True:
        path = folder / _new_name(PREFIX)
        path.mkdir(mode=0o700)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if _is_claimed(descriptor, path):
                yield path
                return
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """Yield a new empty folder below ``folder`` for files of this process; it is gone afterwards with all in it.

    Raises:
        OSError: ``folder`` cannot be written.
    """
    with new_folder(folder) as path:
        try:
            yield path
        finally:
            import shutil  # noqa: PLC0415 - large, and not every start makes a folder

            shutil.rmtree(path)


def write_whole(
    path: Path,
    content: bytes | Iterable[bytes],
    *,
    beside: Path | None = None,
    prefix: str = PREFIX,
    is_lasting: bool = True,
) -> None:
    """Write a file whole or not at all; the disk has it when this returns.

    Args:
        path: takes the place of an older file of that name.
        content: its bytes, or its parts in order.
        beside: a folder of the same file system for the unfinished file; the file's own by default.
        prefix: of the unfinished file's name.
        is_lasting: False does not wait for the disk: a machine that loses power may lose the file, or have it empty.

    Raises:
        OSError: it cannot be written; what was there is as it was.
    """
    with new_file(beside or path.parent, prefix=prefix) as file:
        for block in (content,) if isinstance(content, bytes) else content:
            file.write(block)
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        if is_lasting:
            os.fsync(file.fileno())
        Path(file.name).replace(path)
    if is_lasting:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Let the disk have the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path, *, remove: Callable[[Path], None] = Path.unlink, prefix: str = PREFIX) -> int:
    """Remove what dead processes left unfinished in a folder; return how many files or folders that were.

    What belongs to a living process stays, and so does what this user may not remove: a left-over is no reason to stop.

    Args:
        folder: need not exist; folders below it are not looked into.
        remove: removes one.
        prefix: of their names.
    """
    try:
        with os.scandir(folder) as found:
            left = sorted(each.name for each in found if each.name.startswith(prefix))
    except OSError:
        return 0
    return sum(_sweep_one(folder / name, remove) for name in left)


def _sweep_one(path: Path, remove: Callable[[Path], None]) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if _is_claimed(descriptor, path):
            remove(path)
            return True
    except OSError:
        pass
    finally:
        os.close(descriptor)
    return False


def _claimed_file(folder: Path, prefix: str) -> BinaryIO:
    while True:
        path = folder / _new_name(prefix)
        file = open(path, "x+b", opener=_open_closed)  # noqa: SIM115 - Path.open takes no opener
        if _is_claimed(file.fileno(), path):
            return file
        file.close()


def _open_closed(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _new_name(prefix: str) -> str:
    return f"{prefix}{os.urandom(8).hex()}"


def _is_claimed(descriptor: int, path: Path) -> bool:
    """Lock what is open, and tell whether it is ours now: not if another has the lock, or has removed it meanwhile."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except (BlockingIOError, FileNotFoundError):
        return False
