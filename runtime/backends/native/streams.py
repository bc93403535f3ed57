"""Take in what a run writes: all of it counted and hashed, the beginning kept."""

import errno
import hashlib
import os
import threading
from collections.abc import Callable

from runtime.digest import Digest
from runtime.outcome import Stream
from runtime.plan import GIB, MIB

KEPT = 16 * MIB
"""How many bytes of a stream are kept."""

MOST = GIB
"""How many bytes both streams of a run may have together before it is ended."""

Listener = Callable[[bytes], None]

_CHUNK = 1 << 16


class Allowance:
    """How much a run may still write; calls ``exceeded`` once when that is over."""

    def __init__(self, size: int, exceeded: Callable[[], None]) -> None:
        self._left = size
        self._exceeded = exceeded
        self._lock = threading.Lock()

    def spend(self, size: int) -> None:
        """Count bytes of either stream."""
        with self._lock:
            before, self._left = self._left, self._left - size
        if before >= 0 > self._left:
            self._exceeded()


class Pump(threading.Thread):
    """A thread that reads one stream to its end, which comes at the latest when the run's last process has ended.

    Args:
        descriptor: the reading end of a pipe, or the other end of a terminal.
        allowance: how much may be written; None for no end, of which only the size and the digest are kept.
        listener: called with each chunk.
        terminal: whether it is one; what it has made of the program's line ends is undone then.
    """

    def __init__(
        self, descriptor: int, allowance: Allowance | None, listener: Listener | None, *, terminal: bool = False
    ) -> None:
        super().__init__(name="seatrial-stream", daemon=True)
        self._descriptor = descriptor
        self._allowance = allowance
        self._listener = listener
        self._lines = Lines() if terminal else None
        self._kept = bytearray()
        self._size = 0
        self._hash = hashlib.sha256()

    def run(self) -> None:
        """Read until the end."""
        try:
            while chunk := self._read():
                if self._allowance:
                    self._allowance.spend(len(chunk))
                self._take(self._lines.undo(chunk) if self._lines else chunk)
            if self._lines:
                self._take(self._lines.rest)
        finally:
            os.close(self._descriptor)

    def stream(self) -> Stream:
        """Wait for the end and return what was read."""
        self.join()
        return Stream(content=bytes(self._kept), size=self._size, digest=Digest("sha256:" + self._hash.hexdigest()))

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, _CHUNK)
        except OSError as error:
            if self._lines and error.errno == errno.EIO:  # how a terminal says that nobody has it open any more
                return b""
            raise

    def _take(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self._size += len(chunk)
        if self._allowance and len(self._kept) < KEPT:
            self._kept += chunk[: KEPT - len(self._kept)]
        if self._listener and chunk:
            self._listener(chunk)


class Lines:
    """Undoes what a terminal makes of line ends, exactly: it writes a carriage return before each line feed.

    A program that has told its terminal not to, and writes both itself, has its carriage returns taken, too. Source:
    termios(3), ONLCR.
    """

    def __init__(self) -> None:
        self.rest = b""

    def undo(self, chunk: bytes) -> bytes:
        """Return what is behind a chunk, as far as that is known: ``rest`` is the carriage return at its end."""
        whole = self.rest + chunk
        self.rest = b"\r" if whole.endswith(b"\r") else b""
        return whole.removesuffix(self.rest).replace(b"\r\n", b"\n")
