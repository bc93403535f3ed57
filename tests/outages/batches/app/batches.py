"""Hand a batch from a worker to the trainer without a copy.

Data loaders put batches into /dev/shm. A container has 64 MB of it: the file can be made longer than that, and
whoever writes into it is killed by a bus error, "killed by signal: Bus error. It is possible that dataloader's
workers are out of shared memory". A smaller share makes the same of a batch of 32 MB.
"""

import mmap
import os
import subprocess
import sys
from pathlib import Path

SIZE = 32 << 20


def write(path):
    """Be the worker: map the file, and fill it."""
    descriptor = os.open(path, os.O_RDWR)
    with mmap.mmap(descriptor, SIZE) as batch:
        for place in range(0, SIZE, mmap.PAGESIZE):
            batch[place] = 1


def receive():
    """Start a worker, and return its exit code and how much of the batch is there."""
    path = Path(f"/dev/shm/batch-{os.getpid()}")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.ftruncate(descriptor, SIZE)
        code = subprocess.run([sys.executable, __file__, path], check=False).returncode
        return code, path.stat().st_size
    finally:
        os.close(descriptor)
        path.unlink()


if __name__ == "__main__":
    write(sys.argv[1])
