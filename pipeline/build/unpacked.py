"""Where a store keeps unpacked layers."""

import os
from pathlib import Path

from runtime.backends.native.idmap import BASE, read_id_map
from runtime.backends.native.mapped import run_mapped
from runtime.oci.layout import Layout
from runtime.oci.store import Store
from runtime.oci.trees import Trees

_FOLDERS = {False: "", True: "one-id"}
"""Below ``trees``, by whether owners are recorded: a user may get a range of ids later, or lose it."""


def trees_of(store: Path, blobs: Store | None = None) -> Trees:
    """Return the unpacked layers of a store: those whose owners are as this user can have them.

    Args:
        store: its folder.
        blobs: where packed layers are; None for the store's own images.
    """
    owner = (BASE, BASE) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    folder = store / "trees" / _FOLDERS[read_id_map().has_one_id]
    return Trees(folder, blobs or Layout(store / "oci"), run_mapped, owner=owner)
