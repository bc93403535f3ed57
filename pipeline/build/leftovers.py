"""What killed processes left unfinished in a store: removed by the next one that works there."""

import contextlib
import shutil
from pathlib import Path

from pipeline.build.cache import Cache
from pipeline.build.unpacked import trees_of
from runtime.errors import StoreError
from runtime.oci import temporary
from runtime.oci.layout import Layout

RESOLVER = Path("tmp", "uv")
"""The folder in a store where Python packages are resolved."""

KERNELS = Path("kernels")
"""The folder in a store where kernels of virtual machines lie, each below the hash of its package."""

REBUILDS = Path("rebuilds")
"""The folder in a store where images are built again, each in an empty store of its own."""

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
    swept += temporary.sweep(store / REBUILDS, remove=_remove_rebuild)
    if (store / "oci").is_dir():
        swept += Layout(store / "oci").sweep() + trees_of(store).sweep()
    return swept


def remove_store(store: Path) -> None:
    """Remove a store that nobody else uses, with trees in it whose files may belong to other ids."""
    trees = trees_of(store)
    if (store / "trees").is_dir():
        for each in (store / "trees").iterdir():
            trees.remove(each)
    shutil.rmtree(store)


def _remove_rebuild(folder: Path) -> None:
    with contextlib.suppress(StoreError):  # a left-over is no reason to stop
        remove_store(folder)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
