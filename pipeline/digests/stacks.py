"""Compare the layers of two images, from the lowest on; a layer whose digest both have is never opened."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from difflib import SequenceMatcher
from typing import TypeVar

from pipeline.digests.compression import compression_of
from pipeline.digests.differences import OF_FILES, Cause, Difference
from pipeline.digests.entries import Looked, archive_differences, entry_differences, with_lines
from pipeline.digests.places import Stored
from pipeline.digests.trees import LayerTree, check_archive, merged, read_tree

_Found = TypeVar("_Found")


def layer_differences(one: Sequence[Stored], two: Sequence[Stored]) -> Iterator[Difference]:
    """Yield how two stacks of layers differ.

    A layer of an archive of ``docker save`` that both have by its ``diff_id`` is the same: such an archive does not
    tell how the layer is compressed elsewhere.

    Raises:
        RefusedError: a layer that has to be read is refused, or is not what its config says.
        StoreError: one is not there.
    """
    before, after = ([each.diff_id.text for each in side] for side in (one, two))
    if before != after and Counter(before) == Counter(after):
        yield from _other_order(one, two)
        return
    for kind, first, last, start, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            for index, pair in enumerate(zip(one[first:last], two[start:end], strict=True), first + 1):
                yield from _recompressed(*pair, f"layer {index}")
        else:
            yield from _group(one[first:last], two[start:end], first, start)


def _other_order(one: Sequence[Stored], two: Sequence[Stored]) -> Iterator[Difference]:
    places = {each.diff_id: index for index, each in enumerate(two, 1)}
    order = ", ".join(str(places[each.diff_id]) for each in one)
    yield Difference(
        cause=Cause.LAYER_ORDER,
        where="layers",
        one=", ".join(str(index) for index in range(1, len(one) + 1)),
        two=f"they stand at {order}",
    )
    for index, each in enumerate(one, 1):
        yield from _recompressed(each, two[places[each.diff_id] - 1], f"layer {index}")


def _recompressed(one: Stored, two: Stored, where: str) -> Iterator[Difference]:
    if one.descriptor.digest == two.descriptor.digest or not (one.has_manifest and two.has_manifest):
        return
    _both(check_archive, one, two)
    yield Difference(cause=Cause.LAYER_COMPRESSION, where=where, one=compression_of(one), two=compression_of(two))


def _group(one: Sequence[Stored], two: Sequence[Stored], first: int, start: int) -> Iterator[Difference]:
    """Yield how layers that stand at the same place differ: each by each, or together where their numbers differ."""
    trees = _trees((*one, *two))
    before, after = trees[: len(one)], trees[len(one) :]
    together = _together(before, is_lowest=first == 0), _together(after, is_lowest=start == 0)
    if not one or not two:
        yield from _alone(before, first, Cause.LAYER_REMOVED)
        yield from _alone(after, start, Cause.LAYER_ADDED)
    elif len(one) != len(two) or (not _are_alike(before, after) and _has_equal_entries(*together)):
        numbers = _numbers(first, len(one)), _numbers(start, len(two))
        yield Difference(cause=Cause.LAYER_SPLIT, where="layers", one=numbers[0], two=numbers[1])
        yield from _entries(*together, f"layer {first + 1}")
    else:
        for index, pair in enumerate(zip(before, after, strict=True), first + 1):
            yield from _archives(*pair, f"layer {index}")
            yield from _other_format(*pair, f"layer {index}")


def _are_alike(one: Sequence[Looked], two: Sequence[Looked]) -> bool:
    """Tell whether each layer has the entries of the one at its place; one layer alone is compared in any case."""
    return len(one) == 1 or all(_has_equal_entries(*pair) for pair in zip(one, two, strict=True))


def _alone(layers: Sequence[Looked], first: int, cause: Cause) -> Iterator[Difference]:
    for index, each in enumerate(layers, first + 1):
        count = len(each.tree.items)
        about = f"{each.layers[0].diff_id}, {count} {'entry' if count == 1 else 'entries'}"
        is_new = cause is Cause.LAYER_ADDED
        yield Difference(cause=cause, where=f"layer {index}", one="" if is_new else about, two=about if is_new else "")
        nothing = LayerTree(items={})
        pair = (nothing, each.tree) if is_new else (each.tree, nothing)
        yield from entry_differences(*pair, f"layer {index}")


def _archives(one: Looked, two: Looked, where: str) -> Iterator[Difference]:
    found = [*_entries(one, two, where), *archive_differences(one, two, where)]
    if not found:  # entries that are there twice, of which the last ones are equal
        found = [
            Difference(
                cause=Cause.TAR_REPEATED, where=where, one="entries that others replace", two="other such entries"
            )
        ]
    yield from found


def _entries(one: Looked, two: Looked, where: str) -> Iterator[Difference]:
    found = list(entry_differences(one.tree, two.tree, where))
    yield from with_lines(found, one, two)


def _other_format(one: Looked, two: Looked, where: str) -> Iterator[Difference]:
    """Yield a change of the format of compression beside a change of the archive: it would change the digest alone."""
    if not all(each.layers[0].has_manifest for each in (one, two)):
        return
    before, after = (each.layers[0].sniffed().media_type for each in (one, two))
    if before != after:
        texts = (compression_of(each.layers[0]) for each in (one, two))
        yield Difference(cause=Cause.LAYER_COMPRESSION, where=where, one=next(texts), two=next(texts))


def _has_equal_entries(one: Looked, two: Looked) -> bool:
    return not any(each.cause in OF_FILES for each in entry_differences(one.tree, two.tree, ""))


def _together(layers: Sequence[Looked], *, is_lowest: bool) -> Looked:
    tree = merged((each.tree for each in layers), is_lowest=is_lowest)
    return Looked(layers=tuple(layer for each in layers for layer in each.layers), tree=tree)


def _trees(layers: Sequence[Stored]) -> list[Looked]:
    with ThreadPoolExecutor(2) as pool:
        return [
            Looked(layers=(layer,), tree=tree) for layer, tree in zip(layers, pool.map(read_tree, layers), strict=True)
        ]


def _both(check: Callable[[Stored], _Found], one: Stored, two: Stored) -> None:
    """Look at two layers at once: the time goes into libraries that let other threads run."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(check, (one, two)))


def _numbers(first: int, count: int) -> str:
    return f"layer {first + 1}" if count == 1 else f"layers {first + 1} to {first + count}"
