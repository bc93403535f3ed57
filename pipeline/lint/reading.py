"""``read_contents``: read the layers of an image once.

Layers are hostile: they are read by ``runtime.oci.archive``, and nothing of them is written to a disk. Of a file only
as much is kept as a rule asks for.
"""

import os
import re
from collections.abc import Iterable

from pipeline.lint.contents import Contents, Node, ReadLayer, new_folders
from runtime.data import replace
from runtime.oci.archive import Limits, read_content, read_entries
from runtime.oci.image import Image, Layer
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.store import Store
from runtime.oci.stream import LayerStream
from runtime.oci.tar import Entry, Kind
from runtime.oci.unpack import check_path

KEY_MARK = b"PRIVATE KEY-----"
"""A small file with this in it is kept whatever its name: private keys are called anything."""

_SMALL = 64 * 1024
_MOST = 32 * 1024 * 1024  # the largest database of packages that was seen has 6 MiB
_BUDGET = 256 * 1024 * 1024  # of each layer: more would be an attack on memory


def read_contents(store: Store, image: Image, reads: Iterable[str], now: int) -> Contents:
    """Read all layers of an image.

    Args:
        store: where they are.
        image: whose.
        reads: patterns of the paths whose content is wanted.
        now: seconds since 1970.

    Raises:
        StoreError: a layer is missing.
    """
    wanted = re.compile("|".join(f"(?:{each})" for each in sorted(set(reads) - {""})) or "(?!)")
    layers = tuple(_read(store, each, number, wanted) for number, each in enumerate(image.layers, 1))
    return Contents(image, layers, now)


def _read(store: Store, layer: Layer, number: int, wanted: re.Pattern[str]) -> ReadLayer:
    """Read a layer as far as it can be trusted; what was refused is told, and what stood before it is kept."""
    limits = Limits()
    nodes: list[Node] = []
    folders: set[str] = set()
    held = 0
    try:
        with store.open(layer.descriptor.digest) as blob:
            stream = LayerStream(blob, layer.descriptor, layer.diff_id, limits)
            for entry in read_entries(stream, limits):
                path = os.fsdecode(check_path(entry.path, limits))
                kept = _keep(stream, entry, is_wanted=wanted.search(path) is not None)
                nodes.append(Node(path=path, entry=entry, layer=number, content=kept))
                new = new_folders(path, folders)
                folders.update(new)
                held += len(kept) + len(path) + len(entry.target) + sum(map(len, new))
                _check_held(held)
            stream.finish()
    except RefusedError as error:
        return ReadLayer(number=number, nodes=_linked(nodes), refused=error)
    return ReadLayer(number=number, nodes=_linked(nodes))


def _check_held(held: int) -> None:
    if held > _BUDGET:
        message = f"the names and the files of the layer that are looked at have more than {_BUDGET} bytes"
        raise RefusedError(Refusal.METADATA_SIZE, message)


def _keep(stream: LayerStream, entry: Entry, *, is_wanted: bool) -> bytes:
    kept = bytearray()
    for part in read_content(stream, entry.size):
        if (is_wanted or entry.size <= _SMALL) and len(kept) < _MOST:
            kept += part
    if is_wanted and entry.path.endswith(b".pyc"):
        return bytes(kept[:16])
    return bytes(kept) if is_wanted or KEY_MARK in kept else b""


def _linked(nodes: list[Node]) -> tuple[Node, ...]:
    """Give hard links the content of their files."""
    content = {each.path: each.content for each in nodes}
    return tuple(
        replace(each, content=content.get(each.target.removeprefix("./"), b""))
        if each.entry.kind is Kind.HARDLINK
        else each
        for each in nodes
    )
