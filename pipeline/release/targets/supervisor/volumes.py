"""Volumes of the embedded target: folders of the store, made once and never removed."""

import os
from collections.abc import Sequence
from pathlib import Path

from pipeline.declare.stage_file import VolumePart
from runtime.backends.native.idmap import BASE, read_id_map
from runtime.backends.native.mapped import run_mapped
from runtime.plan import User

FOLDER = "volumes"


def volume_folders(
    store: Path, app: str, stage: str, volumes: Sequence[VolumePart], user: User
) -> tuple[tuple[Path, str], ...]:
    """Return the folders of volumes, and where the containers have them; those that are missing are made, empty.

    A new one belongs to the containers' user. One that is there stays as it is, whoever the user is by now.
    """
    return tuple((_made(store / FOLDER / app / stage / each.name, user), each.to) for each in volumes)


def _made(folder: Path, user: User) -> Path:
    if folder.is_dir():
        return folder
    closed = folder.parents[2]  # what is in a volume has owners of this machine: nobody else may come near
    closed.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = folder.with_name(f".new-{folder.name}-{os.getpid()}")
    new.mkdir(mode=0o755, parents=True)
    if os.geteuid() == 0:
        os.chown(new, BASE, BASE)
    if not read_id_map().has_one_id:
        run_mapped(lambda opened: os.fchown(opened, user.uid, user.gid), directories=(new,))
    new.rename(folder)
    return folder
