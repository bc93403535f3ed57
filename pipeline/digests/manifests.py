"""Compare the documents of two images: index, manifest and config, without what only repeats other differences."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from pipeline.digests.differences import Cause, Difference
from pipeline.digests.documents import Document, changed_fields, form_difference, to_path
from pipeline.digests.sides import Side
from runtime.canonical import Json

_MOST = 1000  # differences of one document
_DERIVED = ("digest", "size")
_SUFFIXES = ("+gzip", "+zstd", ".gzip", ".zstd")


def index_differences(one: Document, two: Document, sides: tuple[Side, Side]) -> Iterator[Difference]:
    """Yield how two indexes differ, apart from the digests of the images in them, which are compared one by one."""
    values = [dict(each.value) for each in (one, two)]
    lists = [_objects(value.pop("manifests", None)) for value in values]
    yield from _fields(values[0], values[1], (), "index")
    images = {each.manifest.digest.text for side in sides for each in side.pictures.values() if each.manifest}
    if len(lists[0]) == len(lists[1]):
        for index, pair in enumerate(zip(*lists, strict=True)):
            is_image = all(each.get("digest") in images for each in pair)
            was, now = _masked(*pair) if is_image else pair
            yield from _fields(was, now, ("manifests", index), "index")
    else:
        yield from _uneven(lists, images)
    yield from form_difference(one, two, "index")


def manifest_differences(one: Document, two: Document, where: str) -> Iterator[Difference]:
    """Yield how two manifests differ, apart from the digests in them, whose blobs are compared themselves."""
    values = [dict(each.value) for each in (one, two)]
    layers = [_objects(value.pop("layers", None)) for value in values]
    configs = [_objects([value.pop("config", None)]) for value in values]
    yield from _fields(values[0], values[1], (), where)
    for pair in zip(*configs, strict=False):
        yield from _fields(*_masked(*pair), ("config",), where)
    for index, pair in enumerate(zip(*layers, strict=False) if len(layers[0]) == len(layers[1]) else ()):
        yield from _fields(*_masked(*pair), ("layers", index), where)
    yield from form_difference(one, two, where)


def config_differences(one: Document, two: Document, where: str) -> Iterator[Difference]:
    """Yield how two configs differ, apart from the ``diff_ids``, whose layers are compared themselves."""
    values = [_without_ids(each.value) for each in (one, two)]
    for each in islice(changed_fields(*values), _MOST):
        cause = Cause.CONFIG_ORDER if each.is_order else Cause.CONFIG_FIELD
        yield Difference(cause=cause, where=where, path=each.path, one=each.one, two=each.two)
    yield from form_difference(one, two, where)


def _fields(one: Json, two: Json, keys: tuple[str | int, ...], where: str) -> Iterator[Difference]:
    for each in islice(changed_fields(one, two), _MOST):
        path = (*keys, *each.keys)
        yield Difference(cause=_cause(path), where=where, path=to_path(path), one=each.one, two=each.two)


def _cause(path: Sequence[str | int]) -> Cause:
    if "annotations" in path:
        return Cause.ANNOTATION
    if "platform" in path:
        return Cause.PLATFORM
    return Cause.MEDIA_TYPE if path[-1:] == ("mediaType",) else Cause.MANIFEST_FIELD


def _masked(one: Mapping[str, Json], two: Mapping[str, Json]) -> tuple[Mapping[str, Json], Mapping[str, Json]]:
    """Return two descriptors without what follows from other content: digest, size, and the format of compression."""
    if one.get("digest") == two.get("digest"):
        return one, two
    sides = [{key: value for key, value in each.items() if key not in _DERIVED} for each in (one, two)]
    kinds = [_family(each.get("mediaType")) for each in sides]
    if kinds[0] == kinds[1]:
        for each in sides:
            each.pop("mediaType", None)
    return sides[0], sides[1]


def _family(kind: Json) -> Json:
    """Return a media type without its compression."""
    found = next((each for each in _SUFFIXES if isinstance(kind, str) and kind.endswith(each)), "")
    return kind.removesuffix(found) if isinstance(kind, str) else kind


def _without_ids(config: Mapping[str, Json]) -> Mapping[str, Json]:
    roots = config.get("rootfs")
    if not isinstance(roots, Mapping):
        return config
    return {**config, "rootfs": {key: value for key, value in roots.items() if key != "diff_ids"}}


def _uneven(lists: Sequence[Sequence[Mapping[str, Json]]], images: set[str]) -> Iterator[Difference]:
    """Yield what one index lists beside images and the other does not; images are matched by their platforms."""
    digests = [{str(each.get("digest")) for each in side} - images for side in lists]
    for digest in sorted(digests[0] ^ digests[1]):
        is_first = digest in digests[0]
        one, two = (digest, "") if is_first else ("", digest)
        yield Difference(cause=Cause.MANIFEST_FIELD, where="index", path="manifests", one=one, two=two)


def _objects(value: Json) -> list[Mapping[str, Json]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
