"""A counter of visits that survives a restart."""

from pathlib import Path

FILE = Path("/var/tmp/visits")


def visit():
    """Count a visit and return how many there were."""
    count = int(FILE.read_text()) + 1 if FILE.exists() else 1
    FILE.write_text(str(count))
    return count
