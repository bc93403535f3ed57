"""``why_digest``: walk two images from the index to the bytes of a file, and say where and why they differ."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.digests.differences import Cause, Difference, Explanation
from pipeline.digests.manifests import config_differences, index_differences, manifest_differences
from pipeline.digests.sentence import sentence_of
from pipeline.digests.sides import Picture, Side, open_side
from pipeline.digests.stacks import layer_differences
from runtime.data import replace


def why_digest(one: str, two: str, store: Path) -> Explanation:
    """Explain why two images have two digests.

    Args:
        one: how the first is called; see ``open_side``.
        two: the second.
        store: where a name or a digest alone is looked up.

    Raises:
        StoreError, ImageError, DigestError: one of them cannot be read, or is refused; the message says why.
    """
    sides = open_side(one, store), open_side(two, store)
    has_manifests = all(_has_manifest(each) for each in sides)
    digests = tuple(each.digest.text if has_manifests else _config_of(each) for each in sides)
    found = () if digests[0] == digests[1] else tuple(_differences(*sides))
    if digests[0] != digests[1] and not found:
        found = (
            Difference(cause=Cause.MANIFEST_FIELD, where="manifest", path="", one=digests[0], two=digests[1]),
        )  # what an index lists and this store has not
    return Explanation(
        names=(one, two),
        digests=(digests[0], digests[1]),
        sentence=sentence_of(found, has_manifests=has_manifests),
        differences=found,
    )


def _differences(one: Side, two: Side) -> Iterator[Difference]:
    if not one.index and not two.index:
        # Whatever platforms they are for: the config says so.
        yield from _of_pictures(*(picture for each in (one, two) for picture in each.pictures.values()))
        return
    if one.index and two.index:
        yield from index_differences(one.index, two.index, (one, two))
    else:
        yield Difference(cause=Cause.INDEX, where="index", one=_kind(one), two=_kind(two))
    yield from _absent_platforms(one, two)
    shared = [each for each in one.pictures if each in two.pictures]
    for platform in shared:
        prefix = f"{platform}/" if len(shared) > 1 else ""
        for each in _of_pictures(one.pictures[platform], two.pictures[platform]):
            yield replace(each, where=prefix + each.where)


def _absent_platforms(one: Side, two: Side) -> Iterator[Difference]:
    for platform in sorted(one.pictures.keys() ^ two.pictures.keys()):
        if one.index is None or two.index is None:
            # One image and an index: what the index has beside it is said by its being an index.
            is_beside = platform in (one if one.index else two).pictures and one.pictures.keys() & two.pictures.keys()
            if is_beside:
                continue
        sides = (platform if platform in each.pictures else "" for each in (one, two))
        yield Difference(cause=Cause.PLATFORM, where="index", path=platform, one=next(sides), two=next(sides))


def _of_pictures(one: Picture, two: Picture) -> Iterator[Difference]:
    if one.manifest and two.manifest:
        if one.manifest.digest == two.manifest.digest:
            return
        yield from manifest_differences(one.manifest, two.manifest, "manifest")
    if one.config.digest != two.config.digest:
        yield from config_differences(one.config, two.config, "config")
    yield from layer_differences(one.layers, two.layers)


def _has_manifest(side: Side) -> bool:
    return all(each.manifest for each in side.pictures.values())


def _config_of(side: Side) -> str:
    """Return the config's digest, of an index those of its images."""
    return ", ".join(each.config.digest.text for each in side.pictures.values())


def _kind(side: Side) -> str:
    return f"an index of {', '.join(side.pictures)}" if side.index else "one manifest"
