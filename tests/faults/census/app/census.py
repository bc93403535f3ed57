"""Which processes there are."""

from pathlib import Path

PROC = Path("/proc")


def processes():
    """Return the ids of those that we may see."""
    return sorted(int(each.name) for each in PROC.iterdir() if each.name.isdecimal())


def parent(pid):
    """Return the parent of one, or None if it has ended or hides."""
    try:
        return int(fields((PROC / str(pid) / "stat").read_text())[1])
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def fields(line):
    """Return what stands after the name, which may have brackets and blanks of its own."""
    return line.rpartition(")")[2].split()
