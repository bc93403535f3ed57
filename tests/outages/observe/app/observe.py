"""A store of logs, which has a folder for what it has fetched.

With readOnlyRootFilesystem most of OpenObserve's containers panicked as they started: "create cache dir success: Os {
code: 30, kind: ReadOnlyFilesystem }".
"""

from pathlib import Path

DATA = Path("/var/tmp/observe")


def start():
    """Make what is needed, and return where caches are."""
    (DATA / "cache").mkdir(parents=True, exist_ok=True)
    return DATA / "cache"
