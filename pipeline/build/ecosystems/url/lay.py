"""Lay a file that a spec names by its URL into a tree, or, where it asks for that, the content of the archive."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.build.ecosystems.pypi.sdist import unpack_archive
from pipeline.build.ecosystems.pypi.tree_writer import TreeWriter
from pipeline.build.ecosystems.url.lock import file_name
from pipeline.build.ecosystems.url.zip_tree import unpack_zip
from pipeline.declare.image import UrlFile

_BLOCK = 1 << 20


def lay_url(file: Path, root: Path | int, entry: UrlFile, *, epoch: int) -> tuple[str, ...]:
    """Lay what an entry names.

    Modes are the entry's, or 0755 for what an archive marks as executable and 0644 for the rest.

    Args:
        file: what was fetched for it.
        root: the tree: its path, or a descriptor of it.
        entry: says where to, and whether the file is unpacked.
        epoch: the time of a file that is not unpacked, in seconds since 1970.

    Returns:
        The paths that were laid, relative to the tree, sorted; of an archive that is unpacked, all of its members.

    Raises:
        PackageError: an archive is damaged or hostile, a pattern of ``only`` matches nothing in it, or a path is taken
            by other content already.
    """
    mode = int(entry.mode, 8) if entry.mode is not None else None
    to, name = entry.to.strip("/"), file_name(entry)
    if entry.unpack:
        unpack = unpack_zip if zipfile.is_zipfile(file) else unpack_archive
        laid = unpack(file, root, to=to, only=entry.only, name=name, mode=mode)
        return tuple(f"{to}/{each}".lstrip("/") for each in laid)
    path = to or name
    with TreeWriter(root, name) as tree:
        tree.file(path, _blocks(file), mode=0o644 if mode is None else mode, mtime=epoch)
    return (path,)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
