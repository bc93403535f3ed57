"""Say in what two builds of one tree differ: path by path, what about it, and both sides."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice, zip_longest

from pipeline.declare.errors import NotReproducibleError
from runtime.oci.archive import Limits, read_content, read_entries
from runtime.oci.image import Layer
from runtime.oci.store import Store
from runtime.oci.stream import LayerStream
from runtime.oci.tar import Entry

_SHOWN = 5
_ASPECTS = ("kind", "mode", "uid", "gid", "mtime", "size", "target", "xattrs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing about one path that two builds do not agree on.

    Args:
        path: relative to the root of the image.
        aspect: ``presence``, ``kind``, ``mode``, ``uid``, ``gid``, ``mtime``, ``size``, ``target``, ``xattrs``,
            ``content`` or ``order``.
        first: what the first build has.
        second: what the second build has.
    """

    path: str
    aspect: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.path}, {self.aspect} {self.first} and {self.second}"


def require_equal(name: str, first: Sequence[Layer], second: Sequence[Layer], store: Store) -> None:
    """Do nothing if two builds of a tree have the same layers.

    Args:
        name: which layers of an image they are, for the message.
        first: one build; the lowest layer first.
        second: the other, made under other conditions.
        store: holds the blobs of both.

    Raises:
        NotReproducibleError: they differ; the message names the first paths and what about them.
    """
    sides = [[each.descriptor.digest for each in layers] for layers in (first, second)]  # other words are no bytes
    if sides[0] == sides[1]:
        return
    found = tuple(compare(first, second, store))
    blobs = next(pair for pair in zip_longest(*sides, fillvalue=sides[0][-1]) if pair[0] != pair[1])
    shown = "; ".join(map(str, found[:_SHOWN])) or f"only the bytes of layers, {blobs[0]} and {blobs[1]}"
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise NotReproducibleError(
        f"two builds of the layer {name} differ: {shown}{more}",
        hint=f"compare {blobs[0].short} and {blobs[1].short} in the store for all of it",
    )


def compare(first: Sequence[Layer], second: Sequence[Layer], store: Store) -> Iterator[Difference]:
    """Yield what two builds do not agree on, in the order of the paths; of what two layers have, the upper one's."""
    left, right = _read(first, store), _read(second, store)
    for path in sorted(left.keys() | right.keys()):
        yield from _compare_entries(path, left.get(path), right.get(path))
    if left == right and list(left) != list(right):
        path, other = next(pair for pair in zip(left, right, strict=True) if pair[0] != pair[1])
        yield Difference(path=_shown(path), aspect="order", first="here", second=_shown(other))


@dataclass(frozen=True, slots=True)
class _Found:
    """An entry, and the hash of its content."""

    entry: Entry
    content: str


def _read(layers: Sequence[Layer], store: Store) -> dict[bytes, _Found]:
    found: dict[bytes, _Found] = {}
    for each in layers:
        found |= _read_layer(each, store)
    return found


def _read_layer(layer: Layer, store: Store) -> dict[bytes, _Found]:
    limits = Limits()
    found = {}
    with store.open(layer.descriptor.digest) as blob:
        stream = LayerStream(blob, layer.descriptor, layer.diff_id, limits)
        for entry in read_entries(stream, limits):
            state = sha256()
            for part in read_content(stream, entry.size):
                state.update(part)
            found[entry.path] = _Found(entry, state.hexdigest())
        stream.finish()
    return found


def _compare_entries(path: bytes, left: _Found | None, right: _Found | None) -> Iterator[Difference]:
    shown = _shown(path)
    if left is None or right is None:
        sides = ("missing" if left is None else "present", "missing" if right is None else "present")
        yield Difference(path=shown, aspect="presence", first=sides[0], second=sides[1])
        return
    for aspect in _ASPECTS:
        one, other = getattr(left.entry, aspect), getattr(right.entry, aspect)
        if one != other:
            yield Difference(path=shown, aspect=aspect, first=_value(aspect, one), second=_value(aspect, other))
    if left.content != right.content and left.entry.size == right.entry.size:
        yield Difference(path=shown, aspect="content", first=left.content[:12], second=right.content[:12])


def _value(aspect: str, value: object) -> str:
    match value:
        case int():
            return f"{value:04o}" if aspect == "mode" else str(value)
        case bytes():
            return _shown(value)
        case dict():
            return ", ".join(f"{key}={item.hex()[:24]}" for key, item in islice(sorted(value.items()), 4)) or "none"
        case _:
            return getattr(value, "name", str(value)).lower()


def _shown(path: bytes) -> str:
    return path.decode("utf-8", errors="backslashreplace")
