"""The verdict as one sentence: what differs, and which tool is known to do that."""

from collections.abc import Callable, Iterator, Sequence

from pipeline.digests.compression import format_of
from pipeline.digests.differences import OF_FILES, Cause, Difference

_SHOWN = 3
_WRITTEN = {
    Cause.TAR_ORDER: "order of entries",
    Cause.TAR_HEADER: "headers",
    Cause.TAR_REPEATED: "entries that are there twice",
    Cause.TAR_END: "zeros at the end",
}
_WORDS = {
    Cause.ENTRY_ADDED: "added",
    Cause.ENTRY_REMOVED: "removed",
    Cause.ENTRY_TYPE: "type",
    Cause.ENTRY_CONTENT: "content",
    Cause.ENTRY_MODE: "mode",
    Cause.ENTRY_OWNER: "owner",
    Cause.ENTRY_TIME: "time",
    Cause.ENTRY_XATTRS: "attributes",
    Cause.ENTRY_TARGET: "target",
    Cause.LAYER_ADDED: "added",
    Cause.LAYER_REMOVED: "removed",
}

Found = Sequence[Difference]


def sentence_of(found: Found, *, has_manifests: bool) -> str:
    """Return the verdict.

    Args:
        found: every difference.
        has_manifests: False if one of the two is an archive of ``docker save``.
    """
    if not found:
        return (
            "the same image: both have one digest"
            if has_manifests
            else "the same config and layers; an archive of `docker save` has no manifest, so only they were compared"
        )
    clauses = [*_clauses(found)]
    if any(each.cause in OF_FILES for each in found):
        return f"other files: {'; '.join([_files(found), *clauses])}"
    if any(each.cause is Cause.PLATFORM for each in found):
        return f"other platforms: {'; '.join(clauses)}"
    text = f"only {clauses[0]}" if len(clauses) == 1 else "; ".join(clauses)
    return f"the same files: {text}{_route(found)}"


def _files(found: Found) -> str:
    paths: dict[str, list[str]] = {}
    for each in found:
        if each.cause in OF_FILES:
            paths.setdefault(f"{each.path or each.where}", []).append(_WORDS[each.cause])
    shown = [f"{path} ({', '.join(dict.fromkeys(words))})" for path, words in list(paths.items())[:_SHOWN]]
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"{', '.join(shown)}{more}"


def _clauses(found: Found) -> Iterator[str]:
    for causes, write in _CLAUSES:
        chosen = [each for each in found if each.cause in causes]
        if chosen:
            yield write(chosen)


def _index(found: Found) -> str:
    return f"the first is {found[0].one}, the second {found[0].two}"


def _platforms(found: Found) -> str:
    return f"the platforms differ ({_some(each.path for each in found)})"


def _media_types(found: Found) -> str:
    match _direction(found):
        case "docker":
            return "the media types are Docker's, no longer OCI's"
        case "oci":
            return "the media types are OCI's, no longer Docker's"
        case _:
            return f"media types differ ({_some(each.path for each in found)})"


def _annotations(found: Found) -> str:
    return f"annotations differ ({_some(each.path for each in found)})"


def _manifest(found: Found) -> str:
    paths = [each.path for each in found if each.path]
    return f"the {found[0].where} differs ({_some(paths)})" if paths else "the digests differ, and no cause was found"


def _config(found: Found) -> str:
    return f"the config differs ({_some(each.path for each in found)})"


def _order(found: Found) -> str:
    return f"the order of items differs in the config ({_some(each.path for each in found)})"


def _form(found: Found) -> str:
    return f"the JSON of the {_some(each.where for each in found)} is written in another form"


def _compression(found: Found) -> str:
    names = [each.where.rpartition("layer ")[2] for each in found]
    pairs = dict.fromkeys((format_of(each.one), format_of(each.two)) for each in found)
    shown = ", ".join(f"{one} → {two}" if one != two else f"{one} of another level or program" for one, two in pairs)
    return f"the compression of layer{'s' * (len(names) > 1)} {_some(names)} differs ({shown})"


def _layer_order(found: Found) -> str:
    return f"the layers stand in another order ({found[0].two})"


def _split(found: Found) -> str:
    return f"the files are divided otherwise into layers ({found[0].one} → {found[0].two})"


def _archive(found: Found) -> str:
    what = dict.fromkeys(_WRITTEN[each.cause] for each in found)
    return f"the archive of {_some(each.where for each in found)} is written differently ({', '.join(what)})"


_CLAUSES: Sequence[tuple[frozenset[Cause], Callable[[Found], str]]] = (
    (frozenset({Cause.INDEX}), _index),
    (frozenset({Cause.PLATFORM}), _platforms),
    (frozenset({Cause.LAYER_COMPRESSION}), _compression),
    (frozenset({Cause.LAYER_ORDER}), _layer_order),
    (frozenset({Cause.LAYER_SPLIT}), _split),
    (frozenset(_WRITTEN), _archive),
    (frozenset({Cause.MEDIA_TYPE}), _media_types),
    (frozenset({Cause.ANNOTATION}), _annotations),
    (frozenset({Cause.MANIFEST_FIELD}), _manifest),
    (frozenset({Cause.CONFIG_FIELD}), _config),
    (frozenset({Cause.CONFIG_ORDER}), _order),
    (frozenset({Cause.JSON_FORM}), _form),
)


def _route(found: Found) -> str:
    """Return which tool is known to do that, where what differs is what it changes and nothing else.

    Source: measured with the tools named; see docs/reference/why-digest.md.
    """
    causes = {each.cause for each in found}
    if causes - {Cause.LAYER_COMPRESSION, Cause.MEDIA_TYPE, Cause.JSON_FORM, Cause.ANNOTATION, Cause.MANIFEST_FIELD}:
        return ""
    direction = _direction([each for each in found if each.cause is Cause.MEDIA_TYPE])
    pairs = {(format_of(each.one), format_of(each.two)) for each in found if each.cause is Cause.LAYER_COMPRESSION}
    if direction == "docker":
        more = "" if pairs else " and `skopeo copy --format v2s2`"
        return f", as `docker push` after a pull{more} {'do' if more else 'does'}"
    if direction == "oci":
        return ", as `skopeo copy --format oci` does"
    if pairs == {("not compressed", "gzip")}:
        return ", as `skopeo copy` and `podman push` do with layers that are not compressed"
    if pairs and {two for _, two in pairs} == {"gzip"}:
        return ", as `podman pull` and `push` do, or a copy by way of docker-archive:"
    return ", as `skopeo copy --dest-compress-format zstd` does" if {two for _, two in pairs} == {"zstd"} else ""


def _direction(found: Found) -> str:
    """Return whose media types the second image has, if each that differs went the same way."""
    ways = {("docker" in each.one, "docker" in each.two) for each in found}
    return {(False, True): "docker", (True, False): "oci"}.get(ways.pop(), "") if len(ways) == 1 else ""


def _some(texts: "Iterator[str] | Sequence[str]") -> str:
    names = list(dict.fromkeys(texts))
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
