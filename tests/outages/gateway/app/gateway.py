"""The front of an application server, which knows each client by its descriptor.

The router of uWSGI has a table of 8 bytes for every descriptor that it may have: with a limit of 2^30 that is more
than 8 GB, and the container is killed as soon as it starts. Here the memory has the limit, so that asking for it
fails.
"""

import os
import resource
import subprocess
import sys

BUDGET = 1 << 30


def table():
    """Return a place of eight bytes for each descriptor."""
    return bytearray(8 * os.sysconf("SC_OPEN_MAX"))


def start():
    """Run the gateway within its budget of memory, and return its exit code."""
    return subprocess.run([sys.executable, __file__], check=False).returncode


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (BUDGET, BUDGET))
    table()
