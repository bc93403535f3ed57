"""How people name an image: ``oci:DIR``, ``oci:DIR:NAME``, ``oci:DIR@sha256:…``, ``sha256:…``, or a name in the store.

A layout may list an image for each architecture, in ``index.json`` itself or in an index that it lists. Which one is
meant is never guessed: one that is not the only one is named.

Source: OCI image specification, image-layout.md and image-index.md; skopeo's containers-transports(5), "oci".
"""

from collections.abc import Mapping
from pathlib import Path

from runtime.canonical import Json
from runtime.data import dataclass
from runtime.digest import Digest
from runtime.errors import ImageError, StoreError
from runtime.oci.descriptor import DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST, REF_NAME, Descriptor
from runtime.oci.document import DOCUMENT_LIMIT, items, parse_document
from runtime.oci.layout import Layout
from runtime.oci.platform import MACHINES
from runtime.oci.refusal import Refusal, RefusedError

OTHERS = (
    "containers-storage",
    "dir",
    "docker",
    "docker-archive",
    "docker-daemon",
    "http",
    "https",
    "oci-archive",
    "ostree",
)
"""Transports of other tools: whoever writes one means an image that is not read here."""

FORMS = "oci:DIR, oci:DIR:NAME, oci:DIR@sha256:…, sha256:… or a name in the store"

_INDEXES = (INDEX, DOCKER_INDEX)
_MANIFESTS = (MANIFEST, DOCKER_MANIFEST)
_MOST = 1000  # entries of one index
_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What an image is called.

    Args:
        text: as it was written.
        layout: the folder of a layout; None for the store's own.
        name: under which the layout lists it; empty for none.
        digest: of its manifest, or of an index; None where it is named or the only one.
    """

    text: str
    layout: Path | None = None
    name: str = ""
    digest: Digest | None = None


def parse_reference(text: str) -> Reference:
    """Read the name of an image.

    Raises:
        ImageError: it is none, or one of a kind that is not read.
        DigestError: the digest in it has another form.
    """
    scheme, colon, rest = text.partition(":")
    if scheme in OTHERS and colon:
        source = f"{text}" if scheme not in ("http", "https") else "docker://HOST/NAME:TAG"
        raise ImageError(
            f"{text}: images of {scheme}: are not read by this version, only {FORMS}",
            hint=f"copy it first: `skopeo copy {source} oci:DIR`, then run oci:DIR",
        )
    if scheme == "sha256" and colon:
        return Reference(text=text, digest=Digest(text))
    if scheme == "oci" and colon:
        return _in_layout(text, rest)
    return Reference(text=text, name=text)


def _in_layout(text: str, rest: str) -> Reference:
    place, at, digest = rest.partition("@")
    place, colon, name = place.partition(":")
    if not place or (at and not digest) or (colon and not name) or (at and colon):
        raise ImageError(f"{text} names no image", hint="write oci:DIR, oci:DIR:NAME or oci:DIR@sha256:…")
    return Reference(text=text, layout=Path(place), name=name, digest=Digest(digest) if at else None)


def find_image(reference: Reference, layout: Layout, architecture: str) -> Digest:
    """Return the digest of the manifest that a reference means.

    Args:
        reference: what was asked for.
        layout: where to look.
        architecture: which of several to take.

    Raises:
        StoreError: there is none of that name or digest.
        ImageError: several are there and none is named, or none is for the architecture.
        RefusedError: a document of the layout is refused.
    """
    found = find_listed(reference, layout)
    if found.media_type in _INDEXES:
        return pick(reference.text, layout.read(found.digest, DOCUMENT_LIMIT), found.digest, architecture)
    return found.digest


def find_listed(reference: Reference, layout: Layout) -> Descriptor:
    """Return the image or the index that a reference means.

    Raises:
        StoreError: there is none of that name or digest.
        ImageError: several are there and none is named, or what is there is neither.
        RefusedError: a document of the layout is refused.
    """
    if reference.digest is None:
        found = _listed(reference, layout)
    else:
        if not layout.has(reference.digest):
            raise _missing(reference, layout, f"it holds no blob {reference.digest}")
        found = Descriptor(media_type=_kind_of(layout, reference.digest), digest=reference.digest, size=0)
    if found.media_type not in (*_INDEXES, *_MANIFESTS):
        raise ImageError(f"{reference.text} is {found.media_type!r}, no image")
    return found


def _listed(reference: Reference, layout: Layout) -> Descriptor:
    """Return what the layout lists under the name, or the one thing that it lists."""
    if reference.name:
        found = layout.resolve(reference.name)
        if found is None:
            raise _missing(reference, layout, f"it lists no image {reference.name!r}")
        return found
    images = {each.digest: each for each in layout.images() if not each.artifact_type}
    if not images:
        raise ImageError(f"{reference.text}: the layout lists no image")
    if len(images) > 1:
        named = [f"oci:{reference.layout}{_suffix(each)}" for each in images.values()]
        raise ImageError(
            f"{reference.text} is ambiguous: the layout lists {len(images)} images",
            hint=f"name one of {_some(named)}",
        )
    return next(iter(images.values()))


def is_index(document: Mapping[str, Json]) -> bool:
    """Tell an index from a manifest."""
    return _kind(document) in _INDEXES


def listed_images(raw: bytes, digest: Digest) -> tuple[Descriptor, ...]:
    """Return the images that an index lists, in its order; what builders list beside them is left out.

    Raises:
        RefusedError: the index is malformed.
    """
    return tuple(each for each in _parse_index(raw, str(digest)) if _is_image(each))


def pick(text: str, raw: bytes, digest: Digest, architecture: str) -> Digest:
    """Return the one image of an index that is for Linux on the architecture; what it lists for no platform is none.

    Args:
        text: how the index was named.
        raw: its bytes.
        digest: of them.
        architecture: which of several to take.

    Raises:
        ImageError: there is none, or there are several.
        RefusedError: the index is malformed.
    """
    listed = listed_images(raw, digest)
    fitting = {each.digest for each in listed if platform_of(each) == f"linux/{architecture}"}
    if len(fitting) == 1:
        return fitting.pop()
    if not listed:
        raise ImageError(f"{text}: the index {digest.short} lists no image")
    if fitting:
        several = [f"{each.digest}" for each in listed if each.digest in fitting]
        raise ImageError(
            f"{text} is ambiguous: its index lists {len(fitting)} images for linux/{architecture}",
            hint=f"name one by its digest: {_some(several)}",
        )
    raise wrong_platform(text, sorted({platform_of(each) for each in listed}), architecture)


def platform_of(each: Descriptor) -> str:
    """Return what an index says that an image is for, in Go's words, such as ``linux/amd64``."""
    return f"{each.platform.get('os') or 'linux'}/{each.platform.get('architecture') or '?'}"


def wrong_platform(text: str, there: list[str], architecture: str) -> ImageError:
    """Return the error that says which platforms an image is for."""
    known = [each.removeprefix("linux/") for each in there if each.startswith("linux/")]
    emulated = next((each for each in known if each in MACHINES), "")
    return ImageError(
        f"{text} is for {_some(there)}, and linux/{architecture} is wanted",
        hint=f"add `--set architecture={emulated}`: it is emulated, where QEMU is" if emulated else "",
    )


def _parse_index(raw: bytes, what: str) -> tuple[Descriptor, ...]:
    index = parse_document(raw, f"index {what}")
    if "layers" in index or "config" in index or "fsLayers" in index:
        raise RefusedError(Refusal.MANIFEST_AMBIGUOUS, f"index {what} has the keys of a manifest")
    _check_kind(index, what)
    listed = items(index.get("manifests"), f"index {what}")
    if len(listed) > _MOST:
        message = f"index {what} lists {len(listed)} manifests; at most {_MOST} are read"
        raise RefusedError(Refusal.MANIFEST_COUNT, message)
    return tuple(Descriptor.parse(each, f"index {what}") for each in listed)


def _check_kind(index: Mapping[str, Json], what: str) -> None:
    kind = index.get("mediaType", INDEX)
    if kind not in _INDEXES or index.get("schemaVersion") != 2:
        message = f"{what} is {kind!r}, schema {index.get('schemaVersion')!r}, not an image index of schema 2"
        raise RefusedError(Refusal.MEDIA_TYPE, message)


def _kind_of(layout: Layout, digest: Digest) -> str:
    """Return the media type of a blob that was named by its digest alone: it is a manifest, or an index."""
    return _kind(parse_document(layout.read(digest, DOCUMENT_LIMIT), f"blob {digest}"))


def _kind(document: Mapping[str, Json]) -> str:
    said = document.get("mediaType")
    return said if isinstance(said, str) else INDEX if "manifests" in document else MANIFEST


def _is_image(each: Descriptor) -> bool:
    """Tell an image from what builders list beside it: attestations are for the platform ``unknown/unknown``."""
    return each.media_type in _MANIFESTS and not each.artifact_type and each.platform.get("os") != "unknown"


def _suffix(each: Descriptor) -> str:
    name = each.annotations.get(REF_NAME)
    return f":{name}" if name else f"@{each.digest}"


def _missing(reference: Reference, layout: Layout, why: str) -> StoreError:
    place = reference.layout or layout.root
    there = [each.annotations.get(REF_NAME) or str(each.digest) for each in layout.images() if not each.artifact_type]
    return StoreError(
        f"{reference.text} is not in {place}: {why}",
        hint=f"it lists {_some(sorted(set(there)))}" if there else f"it lists nothing; an image is {FORMS}",
    )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
