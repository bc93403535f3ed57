"""Open an image to be compared: its index if it has one, and the images for each platform in it."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.digests.docker_archive import DockerArchive
from pipeline.digests.documents import Document
from pipeline.digests.places import Flat, Stored
from runtime.data import dataclass
from runtime.digest import Digest
from runtime.errors import ImageError, StoreError
from runtime.oci.descriptor import DOCKER_MANIFEST, MANIFEST, REF_NAME, Descriptor, parse_digest
from runtime.oci.document import DOCUMENT_LIMIT, items, member, texts
from runtime.oci.image import parse_manifest
from runtime.oci.layout import Layout
from runtime.oci.reference import FORMS, Reference, parse_reference
from runtime.oci.refusal import Refusal, RefusedError

ARCHIVE = "docker-archive:"
FLAT = "dir:"

_MOST_LAYERS = 200
_MOST_IMAGES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One image for one platform.

    Args:
        manifest: None in an archive of ``docker save``, which has none.
        config: its config.
        layers: the lowest first.
    """

    manifest: Document | None
    config: Document
    layers: tuple[Stored, ...]

    @property
    def platform(self) -> str:
        """In Go's words, such as ``linux/amd64``."""
        return "/".join(str(self.config.value.get(key) or "?") for key in ("os", "architecture"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two that are compared.

    Args:
        name: as it was called.
        digest: what it has in a registry; of an archive of ``docker save``, the config's, which Docker calls its ID.
        index: None if it is one image.
        pictures: by platform, those of an index in its order; what an index lists beside images is left out.
    """

    name: str
    digest: Digest
    index: Document | None
    pictures: Mapping[str, Picture]


def open_side(name: str, store: Path) -> Side:
    """Open what somebody calls an image.

    Args:
        name: ``docker-archive:FILE``, skopeo's ``dir:DIR``, or what ``runtime.oci.reference`` reads.
        store: where a name or a digest alone is looked up.

    Raises:
        StoreError: it is not there.
        ImageError: it is none, or a document of it is refused.
        DigestError: a digest has another form, or a blob has not the digest of its name.
    """
    if name.startswith(ARCHIVE):
        return _open_archive(name)
    layout: Layout | Flat
    if name.startswith(FLAT):
        layout = Flat(Path(name.removeprefix(FLAT)))
        document = Document.of(layout.top(), f"manifest of {name}")
        digest = document.digest
    else:
        reference = parse_reference(name)
        layout = _layout(reference, store)
        digest = reference.digest or _listed(reference, layout)
        document = _document(layout, digest, name)
    if "manifests" not in document.value:
        picture = _picture(document, layout)
        return Side(name=name, digest=digest, index=None, pictures={picture.platform: picture})
    return Side(name=name, digest=digest, index=document, pictures=_of_index(document, layout))


def _open_archive(name: str) -> Side:
    path = name.removeprefix(ARCHIVE)
    if not path:
        raise ImageError(f"{name} names no file", hint="write docker-archive:FILE")
    config, layers = DockerArchive(Path(path)).image()
    picture = Picture(manifest=None, config=config, layers=layers)
    return Side(name=name, digest=config.digest, index=None, pictures={picture.platform: picture})


def _layout(reference: Reference, store: Path) -> Layout:
    root = reference.layout or store / "oci"
    if reference.layout is None and not (root / "oci-layout").is_file():
        raise StoreError(f"there is no image {reference.text!r}: the store {store} holds none", hint=f"name {_forms()}")
    return Layout.existing(root)


def _listed(reference: Reference, layout: Layout) -> Digest:
    listed = layout.images()
    if reference.name:
        found = layout.resolve(reference.name)
        if found is not None:
            return found.digest
    there = sorted({each.annotations.get(REF_NAME) or each.digest.text for each in listed})
    known = f"it lists {', '.join(there[:8])}; " if there else ""
    if reference.name or not listed:
        what = f"no image {reference.name!r}" if reference.name else "no image"
        raise StoreError(f"{reference.text}: {layout.root} lists {what}", hint=f"{known}name {_forms()}")
    digests = {each.digest for each in listed if not each.artifact_type}
    if len(digests) != 1:
        raise ImageError(f"{reference.text} is ambiguous: it lists {len(digests)} images", hint=f"{known}name one")
    return digests.pop()


def _forms() -> str:
    return f"{FORMS}, dir:DIR or docker-archive:FILE"


def _document(layout: Layout | Flat, digest: Digest, what: str) -> Document:
    return Document.of(layout.read(digest, DOCUMENT_LIMIT), f"{what}, {digest.short}")


def _of_index(index: Document, layout: Layout | Flat) -> Mapping[str, Picture]:
    listed = items(index.value.get("manifests"), f"index {index.digest}")
    if len(listed) > _MOST_IMAGES:
        raise RefusedError(Refusal.MANIFEST_COUNT, f"index {index.digest} lists {len(listed)} manifests")
    if "layers" in index.value or "config" in index.value:
        raise RefusedError(Refusal.MANIFEST_AMBIGUOUS, f"index {index.digest} has the keys of a manifest")
    found: dict[str, Picture] = {}
    for each in (Descriptor.parse(item, f"index {index.digest}") for item in listed):
        is_image = each.media_type in (MANIFEST, DOCKER_MANIFEST) and not each.artifact_type
        # Attestations are for the platform unknown/unknown; what a sparse copy left out cannot be read.
        if is_image and each.platform.get("os") != "unknown" and layout.has(each.digest):
            picture = _picture(_document(layout, each.digest, f"index {index.digest}"), layout)
            variant = each.platform.get("variant") or each.digest.short
            found[f"{picture.platform}/{variant}" if picture.platform in found else picture.platform] = picture
    return found


def _picture(manifest: Document, layout: Layout | Flat) -> Picture:
    what = str(manifest.digest)
    value = parse_manifest(manifest.raw, what)
    described = Descriptor.parse(value.get("config"), f"config of {what}")
    config = _document(layout, described.digest, f"config of {what}")
    listed = items(value.get("layers"), f"layers of {what}")
    ids = texts(member(config.value.get("rootfs") or {}, "diff_ids", what), f"diff_ids of {what}")
    if len(listed) > _MOST_LAYERS:
        raise RefusedError(Refusal.LAYER_COUNT, f"{what} has {len(listed)} layers; at most {_MOST_LAYERS} are read")
    if len(listed) != len(ids):
        raise RefusedError(Refusal.DIFF_IDS, f"{what} has {len(listed)} layers and {len(ids)} diff_ids")
    descriptors = [Descriptor.parse(each, f"layer {index} of {what}") for index, each in enumerate(listed, 1)]
    layers = tuple(
        Stored(descriptor=each, diff_id=parse_digest(diff_id, f"diff_ids of {what}"), place=layout)
        for each, diff_id in zip(descriptors, ids, strict=True)
    )
    return Picture(manifest=manifest, config=config, layers=layers)
