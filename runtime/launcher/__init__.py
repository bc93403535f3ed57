"""The launcher: a small static program that starts a run in a container made by somebody else's runtime."""

import platform
from pathlib import Path


def launcher_path() -> Path | None:
    """Return where the launcher for this machine is, None if it was not built when Seatrial was installed."""
    path = Path(__file__).with_name(f"launcher-{platform.machine()}")
    return path if path.is_file() else None
