"""Small programs in C: the launcher, which starts runs in containers that others made, and libraries for programs."""

import os
from pathlib import Path


def launcher_path() -> Path | None:
    """Return where the launcher for this machine is, None if it was not built when Seatrial was installed."""
    return built("launcher")


def built(name: str) -> Path | None:
    """Return where a program or a library (``NAME.so``) for this machine is, None if it was not built."""
    stem, dot, suffix = name.partition(".")
    path = Path(__file__).with_name(f"{stem}-{os.uname().machine}{dot}{suffix}")
    return path if path.is_file() else None
