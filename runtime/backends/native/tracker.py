"""Watch a run that no control group accounts for: its memory and processes, sampled."""

import os
from contextlib import suppress

from runtime.backends.native.kernel_files import read_text
from runtime.data import dataclass

INTERVAL = 0.05
"""Seconds between two samples: what lives shorter may not be seen, which is why such evidence is ``emulated``."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Tracker:
    """The peaks seen so far of a process and all its descendants."""

    pid: int
    memory: int = -1
    processes: int = -1
    due: float = 0.0

    def sample_at(self, now: float) -> None:
        """Look, unless that was a moment ago: who asks may have been woken by anything.

        Args:
            now: monotonic seconds.
        """
        if now >= self.due:
            self.due = now + INTERVAL
            self.sample()

    def sample(self) -> None:
        """Look once; resident memory is added up, so that what processes share counts for each."""
        memory = processes = 0
        waiting = [self.pid]
        while waiting:
            pid = waiting.pop()
            with suppress(OSError, ValueError):
                threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - no pathlib in the warm process
                memory += int(read_text(f"/proc/{pid}/statm").split()[1]) * _PAGE
                processes += len(threads)
                for thread in threads:
                    waiting.extend(map(int, read_text(f"/proc/{pid}/task/{thread}/children").split()))
        self.memory = max(self.memory, memory)
        self.processes = max(self.processes, processes)
