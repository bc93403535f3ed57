"""List processes, and read such a list again.

`docker top` read the output of a ps that has five columns for a process id: from 100,000 on it runs into the next
field, and the list could not be read. Process ids go to 4,194,304.
"""

import os
from pathlib import Path


def table():
    """Return a line for each process: id and command."""
    ids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    return [f"{pid:5}{command(pid)}" for pid in ids]


def command(pid):
    """Return the name of a process, empty for one that has ended meanwhile."""
    path = Path(f"/proc/{pid}/comm")
    return path.read_text().strip() if path.exists() else ""


def ids(lines):
    """Return the ids in a list of processes."""
    return [int(line[:5]) for line in lines]
