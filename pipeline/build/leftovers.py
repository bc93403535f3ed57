"""What killed processes left unfinished in a store: removed by the next one that works there."""

import os
import shutil
from pathlib import Path

from pipeline.build.cache import Cache
from runtime.backends.native.idmap import BASE, read_id_map
from runtime.backends.native.mapped import run_mapped
from runtime.oci import temporary
from runtime.oci.layout import Layout
from runtime.oci.trees import Trees

RESOLVER = Path("tmp", "uv")
"""The folder in a store where Python packages are resolved."""

KERNELS = Path("kernels")
"""The folder in a store where kernels of virtual machines lie, each below the hash of its package."""

_FOLDERS = {False: "", True: "one-id"}
"""Below ``trees``, by whether owners are recorded: a user may get a range of ids later, or lose it."""

_FLAT = ("builds", "results")


def trees_of(store: Path) -> Trees:
    """Return the unpacked layers of a store: those whose owners are as this user can have them."""
    owner = (BASE, BASE) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    return Trees(store / "trees" / _FOLDERS[read_id_map().has_one_id], Layout(store / "oci"), run_mapped, owner=owner)


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
