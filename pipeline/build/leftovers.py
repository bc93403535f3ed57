"""What killed processes left unfinished in a store: removed by the next one that works there."""

import shutil
from pathlib import Path

from pipeline.build.cache import Cache
from pipeline.build.unpacked import trees_of
from runtime.oci import temporary
from runtime.oci.layout import Layout

RESOLVER = Path("tmp", "uv")
"""The folder in a store where Python packages are resolved."""

KERNELS = Path("kernels")
"""The folder in a store where kernels of virtual machines lie, each below the hash of its package."""

_FLAT = ("builds", "results")


def sweep_store(store: Path) -> int:
    """Remove what dead processes left unfinished; whoever is at work in the store is not disturbed.

    Args:
        store: its folder; it need not exist.

    Returns:
        How many files and folders were removed.
    """
    swept = Cache(store / "cache").sweep() + temporary.sweep(store / RESOLVER, remove=shutil.rmtree)
    swept += sum(temporary.sweep(store / each) for each in _FLAT)
    swept += temporary.sweep(store / KERNELS, remove=_remove)
    if (store / "oci").is_dir():
        swept += Layout(store / "oci").sweep() + trees_of(store).sweep()
    return swept


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
