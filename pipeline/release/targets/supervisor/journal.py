"""``Journal``: what containers write, and what becomes of them, in a file that never grows without end."""

import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pipeline.release.targets.masking import hidden

MOST = 8 << 20
"""Bytes from which on a new file is begun; one older file is kept."""

HIDDEN = b"****"
"""What stands in place of a secret."""

_LONGEST_LINE = 1 << 16


class Journal:
    """The log of one app in one stage. Its methods may be called from several threads.

    Args:
        path: of the file; the older one has ``.1`` after its name.
        most: bytes from which on a new one is begun.
    """

    def __init__(self, path: Path, *, most: int = MOST) -> None:
        self._path, self._most = path, most
        self._lock = threading.Lock()
        self._secrets: frozenset[str] = frozenset()
        self._hidden: tuple[bytes, ...] = ()
        self._file = path.open("ab", buffering=0)

    def hide(self, secrets: Iterable[str]) -> None:
        """Let no line hold one of these from now on, nor a line of one."""
        self._secrets |= frozenset(secrets)
        self._hidden = tuple(each.encode() for each in hidden(self._secrets))

    def note(self, who: str, what: str) -> None:
        """Write a line of our own."""
        self._write(who, "note", what.encode(errors="replace"))

    def stream(self, who: str, name: str) -> "Lines":
        """Return what takes the chunks of one stream of a container."""
        return Lines(self, who, name)

    def close(self) -> None:
        """Write no more."""
        with self._lock:
            self._file.close()

    def _write(self, who: str, name: str, line: bytes) -> None:
        when = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with self._lock, suppress(OSError):  # a full disk loses the line, and ends no container
            self._file.write(f"{when} {who} {name} ".encode() + self.masked(line) + b"\n")
            if self._file.tell() >= self._most:
                self._turn()

    def masked(self, content: bytes) -> bytes:
        """Return bytes with every secret hidden."""
        for each in self._hidden:
            content = content.replace(each, HIDDEN)
        return content

    def end_of_safe(self, content: bytes) -> int:
        """Return where some bytes may be cut in two: before what is a secret, or may become one with what follows."""
        end = len(content) - max((len(each) - 1 for each in self._hidden), default=0)
        found = [end]
        while found:
            end = min(found)
            starts = [content.find(each, max(0, end - len(each) + 1)) for each in self._hidden]
            found = [start for start in starts if 0 <= start < end]
        return max(0, end)

    def _turn(self) -> None:
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        before, self._file = self._file, self._path.open("ab", buffering=0)
        before.close()


class Lines:
    """Cuts the chunks of one stream into lines: a secret that two chunks share is hidden all the same.

    Args:
        journal: takes the lines.
        who: which container.
        name: of the stream.
    """

    def __init__(self, journal: Journal, who: str, name: str) -> None:
        self._journal, self._who, self._name = journal, who, name
        self._rest = b""

    def __call__(self, chunk: bytes) -> None:
        """Take a chunk."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for each in lines:
            self._journal._write(self._who, self._name, each)  # noqa: SLF001 - two halves of one thing
        if len(self._rest) >= _LONGEST_LINE:
            self._cut()

    def close(self) -> None:
        """Write what has no end of line."""
        if self._rest:
            self._journal._write(self._who, self._name, self._rest)  # noqa: SLF001 - as above
            self._rest = b""

    def _cut(self) -> None:
        """Write the beginning of an endless line; what may be a secret's waits for what follows."""
        end = self._journal.end_of_safe(self._rest) or len(self._rest)
        begin, rest = self._rest[:end], self._rest[end:]
        self._journal._write(self._who, self._name, begin)  # noqa: SLF001 - as above
        self._rest = rest
