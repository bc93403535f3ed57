"""``LayerTree``: what the archive of one layer holds, entry by entry, without its content."""

import hashlib
from collections.abc import Collection, Iterable, Mapping

from pipeline.digests.places import Stored
from runtime.data import dataclass
from runtime.oci.archive import Limits, read_content, read_entries
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.stream import LayerStream
from runtime.oci.tar import BLOCK, Entry, Kind
from runtime.oci.unpack import OPAQUE_WHITEOUT, WHITEOUT, check_path

TEXT_LIMIT = 16 * 1024
"""Bytes of a file whose lines are compared."""

_HEADER_LIMIT = 1 << 21
_RECORD = 20 * BLOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One entry.

    Args:
        entry: its fields; its path is normal.
        content: the SHA-256 of a file's content; empty for anything else.
        header: the SHA-256 of its header blocks as they stand.
    """

    entry: Entry
    content: bytes
    header: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTree:
    """What one layer holds.

    Args:
        items: by path, in the archive's order; of a path that is there twice, the last.
        repeated: the paths that are there more than once.
        end: zeros after the last entry, in bytes.
        size: bytes of the archive.
    """

    items: Mapping[bytes, Item]
    repeated: tuple[bytes, ...] = ()
    end: int = 0
    size: int = 0

    @property
    def endings(self) -> tuple[str, ...]:
        """By which rules of writers the zeros at the end are as many as they are.

        Source: POSIX.1-2017, pax, "-b": records of 20 blocks by default; the archive itself ends with two blocks.
        """
        rules = {
            "two blocks of zeros at the end": self.end == 2 * BLOCK,
            "zeros up to a record of 10240 bytes": not self.size % _RECORD and self.end < _RECORD + 2 * BLOCK,
        }
        return tuple(each for each, holds in rules.items() if holds) or (f"{self.end} bytes of zeros at the end",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """One entry from nearby: its header blocks and, if it is short, its content."""

    header: bytes
    content: bytes | None


class _Noted:
    """A stream that keeps what is read while headers are read."""

    def __init__(self, stream: LayerStream) -> None:
        self._stream = stream
        self.header = bytearray()
        self.length = self.total = 0

    def read(self, size: int) -> bytes:
        part = self._stream.read(size)
        self.length += len(part)
        self.total += len(part)
        if len(self.header) < _HEADER_LIMIT:
            self.header += part
        return part

    def taken(self) -> bytes:
        """Return what was read since the last time."""
        taken = bytes(self.header)
        self.header.clear()
        self.length = 0
        return taken


def read_tree(layer: Stored, limits: Limits | None = None) -> LayerTree:
    """Read a layer to its end, checked against both of its digests.

    Raises:
        RefusedError: it is not what the manifest says, is malformed, or holds what is refused.
        StoreError: it is not there.
    """
    caps = limits or Limits()
    items: dict[bytes, Item] = {}
    repeated, weight = [], 0
    with layer.place.open(layer.descriptor.digest) as file:
        stream = LayerStream(file, layer.sniffed(), layer.diff_id, caps)
        noted = _Noted(stream)
        for entry in read_entries(noted, caps):
            header = hashlib.sha256(noted.taken()).digest()
            path = check_path(entry.path, caps)
            weight += len(path) + len(entry.target) + sum(len(key) + len(value) for key, value in entry.xattrs.items())
            if weight > caps.metadata:
                message = f"the names and attributes of layer {layer.diff_id} have more than {caps.metadata} bytes"
                raise RefusedError(Refusal.METADATA_SIZE, message)
            state = hashlib.sha256()
            for part in read_content(stream, entry.size):
                state.update(part)
            noted.total += entry.size + -entry.size % BLOCK
            if items.pop(path, None) is not None:
                repeated.append(path)
            items[path] = Item(
                entry=_normal(entry, path), content=state.digest() if entry.kind is Kind.FILE else b"", header=header
            )
        end, size = noted.length, noted.total
        stream.finish()
    return LayerTree(items=items, repeated=tuple(repeated), end=end, size=size)


def look_closer(layer: Stored, paths: Collection[bytes]) -> Mapping[bytes, Close]:
    """Read a layer again until some of its entries were seen, and return them.

    Raises:
        RefusedError, StoreError: as ``read_tree``.
    """
    caps, found = Limits(), {}
    with layer.place.open(layer.descriptor.digest) as file:
        stream = LayerStream(file, layer.sniffed(), layer.diff_id, caps)
        noted = _Noted(stream)
        for entry in read_entries(noted, caps):
            header, path = noted.taken(), check_path(entry.path, caps)
            is_kept = path in paths and entry.size <= TEXT_LIMIT
            kept = bytearray()
            for part in read_content(stream, entry.size):
                if is_kept:
                    kept += part
            if path in paths:
                found[path] = Close(header=header, content=bytes(kept) if is_kept else None)
                if len(found) == len(paths):
                    break
    return found


def check_archive(layer: Stored) -> None:
    """Read a layer to its end and compare its digests, whatever is in it.

    Raises:
        RefusedError, StoreError: as ``read_tree``.
    """
    with layer.place.open(layer.descriptor.digest) as file:
        LayerStream(file, layer.sniffed(), layer.diff_id, Limits()).finish()


def merged(trees: Iterable[LayerTree], *, is_lowest: bool) -> LayerTree:
    """Return what layers hold together, the upper hiding what it hides of the lower.

    Args:
        trees: the lowest first.
        is_lowest: whether nothing lies below them, so that what hides something there hides nothing.
    """
    items: dict[bytes, Item] = {}
    for tree in trees:
        hidden, opaque = _hidden(tree)
        if hidden or opaque:
            items = {path: item for path, item in items.items() if not _is_hidden(path, hidden, opaque)}
        items |= {path: each for path, each in tree.items.items() if not (is_lowest and is_whiteout(path))}
    return LayerTree(items=items)


def is_whiteout(path: bytes) -> bool:
    """Tell whether an entry hides something of a lower layer."""
    return path.rpartition(b"/")[2].startswith(WHITEOUT)


def _hidden(tree: LayerTree) -> tuple[set[bytes], set[bytes]]:
    """Return the paths that a layer hides, and the folders below which it hides all."""
    hidden, opaque = set(), set()
    for path in tree.items:
        folder, slash, name = path.rpartition(b"/")
        if name == OPAQUE_WHITEOUT:
            opaque.add(folder)
        elif name.startswith(WHITEOUT):
            hidden.add(folder + slash + name.removeprefix(WHITEOUT))
        elif tree.items[path].entry.kind is not Kind.DIRECTORY:
            opaque.add(path)  # what lay below a folder of that name is gone
    return hidden, opaque


def _is_hidden(path: bytes, hidden: set[bytes], opaque: set[bytes]) -> bool:
    if path in hidden or (b"" in opaque and path):
        return True
    folder = path.rpartition(b"/")[0]
    while folder:
        if folder in hidden or folder in opaque:
            return True
        folder = folder.rpartition(b"/")[0]
    return False


def _normal(entry: Entry, path: bytes) -> Entry:
    target = check_path(entry.target, Limits()) if entry.kind is Kind.HARDLINK else entry.target
    return Entry(
        path=path,
        kind=entry.kind,
        mode=entry.mode,
        uid=entry.uid,
        gid=entry.gid,
        mtime=entry.mtime,
        size=entry.size,
        target=target,
        xattrs=entry.xattrs,
    )
