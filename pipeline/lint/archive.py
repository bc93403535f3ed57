"""Rules about the layers themselves: what is in their archives, and what one of them makes of another."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

from pipeline.lint.contents import Contents, Node, ReadLayer
from pipeline.lint.credentials import is_secret
from pipeline.lint.rule import Found, Severity, rule
from runtime.oci.refusal import Refusal
from runtime.oci.tar import Kind
from runtime.oci.unpack import WHITEOUT

_LEAST = 4096
"""Bytes that a hidden file must have to be told of."""


@rule(
    "device-node",
    Severity.ERROR,
    why="Plain users cannot unpack it, and a device is a way out of the container; the rest of the layer was not read.",
    fix="Leave /dev out of the layer; the runtime makes what a container needs.",
)
def device_node(contents: Contents) -> Iterator[Found]:
    """Find devices and pipes."""
    for layer in contents.layers:
        if layer.refused and layer.refused.reason in _DEVICES:
            yield Found(what=layer.refused.message, layer=layer.number)


@rule(
    "layer-refused",
    Severity.ERROR,
    why="Readers of archives do not agree on such a layer, or an attack begins so; the rest of it was not read.",
    fix="Build the layer anew with a tool that writes plain archives.",
)
def layer_refused(contents: Contents) -> Iterator[Found]:
    """Find layers that are not unpacked."""
    for layer in contents.layers:
        if layer.refused and layer.refused.reason not in _DEVICES:
            yield Found(what=layer.refused.message, layer=layer.number)


@rule(
    "entries-unsorted",
    Severity.NOTE,
    why="The order is that of a disk: the next build has another, and another digest.",
    fix="Write archives with `--sort=name`.",
)
def entries_unsorted(contents: Contents) -> Iterator[Found]:
    """Find layers whose entries are in no order."""
    for layer in contents.layers:
        if not _is_sorted(layer):
            yield Found(what=f"its {len(layer.nodes)} entries are in no order", layer=layer.number)


@rule(
    "entry-twice",
    Severity.WARNING,
    why="Readers of archives do not agree which of the two counts.",
    fix="Write each path once.",
)
def entry_twice(contents: Contents) -> Iterator[Found]:
    """Find paths that one archive has twice."""
    for layer in contents.layers:
        counted = Counter(each.path for each in layer.nodes)
        for path in sorted(path for path, count in counted.items() if count > 1):
            yield Found(what=f"is in the layer {counted[path]} times", path=path, layer=layer.number)


@rule(
    "newer-than-image",
    Severity.NOTE,
    why="Times of the build make each build another image.",
    fix="Clamp all times to one epoch, such as SOURCE_DATE_EPOCH.",
)
def newer_than_image(contents: Contents) -> Iterator[Found]:
    """Find times after the one that the configuration gives the image, once a layer."""
    created = created_at(contents)
    for layer in contents.layers if created is not None else ():
        newer = [each for each in layer.nodes if each.entry.mtime > (created or 0)]
        if newer:
            more = f", with {len(newer) - 1} more" if len(newer) > 1 else ""
            yield Found.at(newer[0], f"is newer than the image{more}")


@rule(
    "useless-whiteout",
    Severity.NOTE,
    why="The layer deletes what no layer below has: another base was there when it was made.",
    fix="Build the layer on the base that it ships with.",
)
def useless_whiteout(contents: Contents) -> Iterator[Found]:
    """Find whiteouts of nothing."""
    for node in contents.lost:
        yield Found.at(node, "deletes what was never there")


@rule(
    "deleted-file",
    Severity.NOTE,
    why="The file is hidden and not removed: everybody pulls it.",
    fix="Delete it in the step that makes it.",
)
def deleted_file(contents: Contents) -> Iterator[Found]:
    """Find files that a later layer deletes; secrets have a rule of their own."""
    for each in contents.hidden:
        size = each.node.entry.size
        if each.is_deleted and size >= _LEAST and not is_secret(each.node):
            yield Found.at(each.node, f"ships {size} bytes that layer {each.by} deletes")


@rule(
    "empty-layer",
    Severity.NOTE,
    why="It is pulled, kept and mounted for nothing.",
    fix="Leave out the step that makes it.",
)
def empty_layer(contents: Contents) -> Iterator[Found]:
    """Find layers without entries."""
    for layer in contents.layers:
        if not layer.nodes and layer.refused is None:
            yield Found(what="has no entries", layer=layer.number)


def created_at(contents: Contents) -> int | None:
    """Return when the image says that it was made, in seconds since 1970; None if it does not, or not in words."""
    said = contents.image.config.get("created")
    try:
        moment = datetime.fromisoformat(said) if isinstance(said, str) else None
        return int(moment.timestamp()) if moment and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _is_sorted(layer: ReadLayer) -> bool:
    """Tell whether entries follow an order of writers, in each part that begins at the root.

    They sort by whole path, by path with the slash of folders, by components as a walk does, or as a walk that takes
    whiteouts for what they hide.
    """
    parts: list[list[Node]] = [[]]
    for node in layer.nodes:
        if node.path:
            parts[-1].append(node)
        else:
            parts.append([])
    orders: tuple[Callable[[Node], bytes], ...] = (_whole, _slashed, _walked, _hiding)
    return any(all(_rises([order(each) for each in part]) for part in parts) for order in orders)


def _whole(node: Node) -> bytes:
    return os.fsencode(node.path)


def _slashed(node: Node) -> bytes:
    return _whole(node) + b"/" * (node.entry.kind is Kind.DIRECTORY)


def _walked(node: Node) -> bytes:
    return _whole(node).replace(b"/", b"\0")


def _hiding(node: Node) -> bytes:
    folder, slash, name = _whole(node).rpartition(b"/")
    return (folder + slash + name.removeprefix(WHITEOUT)).replace(b"/", b"\0")


def _rises(keys: list[bytes]) -> bool:
    return keys == sorted(keys)


_DEVICES = (Refusal.DEVICE, Refusal.FIFO)

RULES = (
    device_node,
    layer_refused,
    entries_unsorted,
    entry_twice,
    newer_than_image,
    useless_whiteout,
    deleted_file,
    empty_layer,
)
