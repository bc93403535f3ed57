"""What a service prints when it starts, for those who read its log."""

from pathlib import Path


def text(version):
    """Return one line: the version, and what the service runs under."""
    return line(version, Path("/proc/1/comm").read_text())


def line(version, init):
    """Return it for a name of process 1."""
    return f"service {version}, started by {init.strip()}"
