"""Start a broker with its default heap.

Kafka's brokers on Mesos had 128 MB of heap in a container of 128 MB: what a process needs beside its heap was more
than there was, and the kernel killed them.
"""

import subprocess
import sys

HEAP = 128 << 20


def start():
    """Run a broker that touches its whole heap, and return its exit code."""
    code = f"heap = bytearray({HEAP}); heap[::4096] = bytes([1]) * len(heap[::4096])"
    return subprocess.run([sys.executable, "-c", code], check=False).returncode
