"""``Unfinished``: uploads under way, written down, so that a process that is killed leaves word of them.

The next one that puts the same blob into the same repository goes on with its upload, or deletes it.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from runtime.digest import Digest

_LIMIT = 16 * 1024


class Note:
    """What is written down of one upload; without a file nothing is.

    Attributes:
        url: where an upload was that a process left; empty for none.
        is_kept: whether it stays when this process is done with it.
    """

    def __init__(self, file: BinaryIO | None = None) -> None:
        self._file = file
        self.is_kept = False
        self.url = ""
        if file is not None:
            self.url = os.pread(file.fileno(), _LIMIT, 0).partition(b"\n")[0].decode(errors="replace")

    def write(self, url: str) -> None:
        """Write down where an upload is now."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # A full disk is no reason not to send.
                # In one piece; what is left of a longer line is behind the new one's end.
                os.pwrite(self._file.fileno(), f"{url}\n".encode(), 0)

    def keep(self) -> None:
        """Leave it to the next process: the upload could be neither ended nor deleted."""
        self.is_kept = True


class Unfinished:
    """A folder with a file for each upload under way; many processes may use one at a time.

    Args:
        folder: it is made when the first upload begins, closed to other users: a URL may hold what lets one write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def note(self, repository: str, digest: Digest) -> Iterator[Note]:
        """Yield the note of a blob on its way into a repository; it is gone afterwards, unless it is kept.

        Where another process has it, which sends the same blob, or the folder cannot be written, an empty one is
        yielded, which nothing keeps.
        """
        path = self._folder / f"{_prefix(repository)}{Digest.of(f'{repository} {digest}'.encode()).hex}"
        try:
            file = _opened(path)
        except OSError:
            yield Note()
            return
        with file:
            is_ours = _is_ours(file, path)
            note = Note(file if is_ours else None)
            try:
                yield note
            finally:
                if is_ours and not note.is_kept:
                    path.unlink()

    def left(self, repository: str) -> Iterator[Note]:
        """Yield the notes that processes left of uploads into a repository; each is gone afterwards, unless it is kept.

        Those of living processes are passed over.
        """
        for path in sorted(self._folder.glob(f"{_prefix(repository)}*")):
            with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
                if _is_ours(file, path):
                    note = Note(file)
                    yield note
                    if not note.is_kept:
                        path.unlink()


def _prefix(repository: str) -> str:
    return f"{Digest.of(repository.encode()).hex[:16]}-"


def _opened(path: Path) -> BinaryIO:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "r+b")


def _is_ours(file: BinaryIO, path: Path) -> bool:
    """Lock a file, and tell whether it is ours: not if another has the lock, or has removed it meanwhile."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False
