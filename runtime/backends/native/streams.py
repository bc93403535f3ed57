"""Take in what a run writes: all of it counted and hashed, the beginning kept."""

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
    """A thread that reads one stream to its end, which comes at the latest when the run's last process has ended."""

    def __init__(self, descriptor: int, allowance: Allowance, listener: Listener | None) -> None:
        super().__init__(name="seatrial-stream", daemon=True)
        self._descriptor = descriptor
        self._allowance = allowance
        self._listener = listener
        self._kept = bytearray()
        self._size = 0
        self._hash = hashlib.sha256()

    def run(self) -> None:
        """Read until the end."""
        try:
            while chunk := os.read(self._descriptor, _CHUNK):
                self._hash.update(chunk)
                self._size += len(chunk)
                if len(self._kept) < KEPT:
                    self._kept += chunk[: KEPT - len(self._kept)]
                self._allowance.spend(len(chunk))
                if self._listener:
                    self._listener(chunk)
        finally:
            os.close(self._descriptor)

    def stream(self) -> Stream:
        """Wait for the end and return what was read."""
        self.join()
        return Stream(content=bytes(self._kept), size=self._size, digest=Digest("sha256:" + self._hash.hexdigest()))
