"""A layer as one user meets it: a second tree whose permission bits are those of the class that the user falls in.

Only where the kernel has one id. Without it a program would own every file of its image: it could write to /etc and
read /etc/shadow, whoever it is said to be. A view is made once for a layer and a user, beside the layer's own tree.
"""

import fcntl
import functools
from contextlib import suppress
from pathlib import Path

from runtime.backends.native.mapped import run_mapped
from runtime.backends.native.one_id import seen_mode
from runtime.errors import StoreError
from runtime.oci import temporary
from runtime.oci.copies import copy_tree
from runtime.oci.trees import empty_folder, sync_tree
from runtime.plan import User


def view_of(layer: Path, user: User, *, one_id: bool | None = None) -> Path:
    """Return the tree of a layer as ``user`` meets it; it is made if it is not there.

    Args:
        layer: an unpacked layer whose owners are recorded; it is never changed.
        user: who meets it.
        one_id: as of ``read_id_map``.

    Raises:
        StoreError: the folder beside the layer cannot be written.
    """
    target = layer.with_name(f"{layer.name}.{user.uid}-{user.gid}")
    if target.is_dir():
        return target
    locks = layer.parent / ".locks"
    try:
        locks.mkdir(exist_ok=True)
        with (locks / target.name).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.is_dir():
                _make(layer, user, target, one_id=one_id)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror} ({error.filename})") from error
    return target


def _make(layer: Path, user: User, target: Path, *, one_id: bool | None) -> None:
    with temporary.new_folder(layer.parent) as folder:
        try:
            fill = functools.partial(_fill, user=user)
            run_mapped(fill, directories=(layer, folder), one_id=one_id)
            folder.rename(target)
        except BaseException:
            with suppress(OSError):  # what stays is swept by the next start
                run_mapped(empty_folder, directories=(folder,), one_id=one_id)
                folder.rmdir()
            raise


def _fill(layer: int, folder: int, *, user: User) -> None:
    copy_tree(layer, folder, mode=lambda mode, owner: seen_mode(mode, owner, user))
    sync_tree(folder)
