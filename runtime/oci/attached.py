"""``Attachable``: a store that knows what is attached to its images; ``AttachedLayout``: a layout on disk as one.

What is attached to an image is an artifact whose subject it is. A layout lists it in an index under the name that
registries without an interface for referrers have as the tag, so that copying a layout to a registry takes it along.

Source: OCI distribution specification, spec.md, "Referrers Tag Schema"; OCI image specification, manifest.md,
"Guidelines for Artifact Usage".
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from runtime.canonical import Json, to_canonical_json
from runtime.data import dataclass
from runtime.digest import Digest
from runtime.oci.descriptor import INDEX, MANIFEST, Descriptor
from runtime.oci.document import DOCUMENT_LIMIT, items, parse_document, text
from runtime.oci.layout import Layout
from runtime.oci.referrers import joined, list_tag, parse_list, referrer_of, write_list
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.store import Store

EMPTY = "application/vnd.oci.empty.v1+json"


class Attachable(Store, Protocol):
    """A store that knows what is attached to its images."""

    def attach(self, manifest: bytes, subject: Digest) -> Descriptor:
        """Put an artifact beside the image that it is about, whose blobs are here; nothing of other writers is lost.

        Putting it again changes nothing.

        Args:
            manifest: of the artifact.
            subject: the digest of the image's manifest or index.

        Returns:
            The artifact, as lists have it.

        Raises:
            RefusedError: the artifact is about another subject.
            StoreError: it cannot be written.
        """

    def referrers(self, subject: Digest, *, artifact_type: str = "") -> tuple[Descriptor, ...]:
        """Return what is attached to an image, sorted by digest.

        Args:
            subject: the digest of its manifest or index.
            artifact_type: of what is wanted; empty for all.

        Raises:
            RefusedError: the list is malformed.
            StoreError: it cannot be read.
        """


class AttachedLayout:
    """Satisfies ``Attachable`` with a layout on disk; many processes may attach at a time.

    Args:
        layout: has the images.

    Attributes:
        layout: as it was given.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.has = layout.has
        self.read = layout.read
        self.open = layout.open
        self.write = layout.write

    def attach(self, manifest: bytes, subject: Digest) -> Descriptor:
        """Put an artifact beside an image; see ``Attachable.attach``."""
        return self.attach_all((manifest,), subject)[0]

    def attach_all(self, manifests: Sequence[bytes], subject: Digest) -> tuple[Descriptor, ...]:
        """Put artifacts beside an image, and write the list once; in everything else as ``attach``."""
        own = tuple(referrer_of(each, subject) for each in manifests)
        for each, raw in zip(own, manifests, strict=True):
            self.layout.write(raw, each.media_type)

        def add(before: Descriptor | None) -> Descriptor:
            return self.layout.write(write_list(joined(self._parsed(before), own)), INDEX)

        self.layout.update_manifest(list_tag(subject), add)
        return own

    def referrers(self, subject: Digest, *, artifact_type: str = "") -> tuple[Descriptor, ...]:
        """Return what is attached to an image; see ``Attachable.referrers``."""
        listed = joined(self._parsed(self.layout.resolve(list_tag(subject))))
        return tuple(each for each in listed if artifact_type in ("", each.artifact_type))

    def _parsed(self, index: Descriptor | None) -> tuple[Descriptor, ...]:
        if index is None:
            return ()
        return parse_list(self.layout.read(index.digest, DOCUMENT_LIMIT), f"the list of referrers {index.digest}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """An artifact that is attached to an image.

    Args:
        kind: its artifact type.
        blobs: what it consists of; they are in the store.
        annotations: free text by key; lists of referrers have them too.
        config: what is said of the blobs, in the store too; None for nothing.
    """

    kind: str
    blobs: tuple[Descriptor, ...]
    annotations: Mapping[str, str]
    config: Descriptor | None = None


def attach_artifact(artifact: Artifact, subject: Digest, store: Attachable) -> Descriptor:
    """Attach an artifact to an image; equal ones are one.

    Raises:
        StoreError: the image is not in the store, or the artifact cannot be written.
        RefusedError: the image's manifest is malformed.
    """
    raw = store.read(subject, DOCUMENT_LIMIT)
    kind = text(parse_document(raw, f"manifest {subject}").get("mediaType", MANIFEST), f"mediaType of {subject}")
    about = Descriptor(media_type=kind, digest=subject, size=len(raw))
    manifest: dict[str, Json] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact.kind,
        "config": (artifact.config or store.write(b"{}", EMPTY)).to_json(),
        "layers": [each.to_json() for each in artifact.blobs],
        "subject": about.to_json(),
        "annotations": dict(artifact.annotations),
    }
    return store.attach(to_canonical_json(manifest), subject)


def read_artifact(listed: Descriptor, subject: Digest, store: Store) -> Artifact:
    """Read the manifest of an artifact that a list of referrers names; its blobs have not been touched.

    What the list says of it is not believed: its type and its annotations are those of the manifest.

    Raises:
        StoreError: it is missing.
        RefusedError: it is malformed, or about another image.
    """
    raw = store.read(listed.digest, DOCUMENT_LIMIT)
    own = referrer_of(raw, subject)
    what = f"artifact {listed.digest}"
    if own.media_type != MANIFEST:
        raise RefusedError(Refusal.MEDIA_TYPE, f"{what} is {own.media_type!r}, not an image manifest")
    document = parse_document(raw, what)
    layers = items(document.get("layers"), f"layers of {what}")
    blobs = tuple(Descriptor.parse(each, f"layer {index} of {what}") for index, each in enumerate(layers, 1))
    config = None
    if document.get("config") is not None:
        config = Descriptor.parse(document["config"], f"config of {what}")
    said = None if config is None or config.media_type == EMPTY else config
    return Artifact(kind=own.artifact_type, blobs=blobs, annotations=own.annotations, config=said)
