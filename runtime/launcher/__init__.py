"""Small programs in C: the launcher, which starts runs in containers that others made, and a clock of another date."""

import platform
from pathlib import Path


def launcher_path() -> Path | None:
    """Return where the launcher for this machine is, None if it was not built when Seatrial was installed."""
    return _built(f"launcher-{platform.machine()}")


def clock_paths() -> tuple[Path, Path] | None:
    """Return where the clock of another date is, and the program that tells it; None if they were not built."""
    clock, today = _built(f"clock-{platform.machine()}.so"), _built(f"today-{platform.machine()}")
    return (clock, today) if clock and today else None


def _built(name: str) -> Path | None:
    path = Path(__file__).with_name(name)
    return path if path.is_file() else None
