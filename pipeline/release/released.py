"""``Released``: what a stage takes: one image, or an index with an image for each platform."""

from dataclasses import dataclass
from typing import Self

from runtime.digest import Digest
from runtime.oci.descriptor import Descriptor
from runtime.oci.document import DOCUMENT_LIMIT, parse_document
from runtime.oci.image import Image
from runtime.oci.reference import is_index, listed_images, platform_of
from runtime.oci.store import Blobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """One image of a release.

    Args:
        architecture: what it is offered for, in Go's words: as the index says, or as the only image says of itself.
        image: the image.
    """

    architecture: str
    image: Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A release.

    Args:
        digest: of the index, or of the only image.
        is_index: whether it is one; a release of one image is that image.
        images: for Linux, in the order of the index.
    """

    digest: Digest
    is_index: bool
    images: tuple[Offered, ...]

    @classmethod
    def open(cls, store: Blobs, digest: Digest, platforms: tuple[str, ...] = ()) -> Self:
        """Read the manifests and configs of a release.

        Args:
            store: has them.
            digest: of the index or the image.
            platforms: of an index, the architectures that are read; empty for all.

        Raises:
            StoreError: a blob is missing.
            DigestError: a blob has another digest than its name.
            RefusedError: a document is malformed.
        """
        raw = store.read(digest, DOCUMENT_LIMIT)
        if not is_index(parse_document(raw, f"manifest {digest}")):
            image = Image.open(store, digest)
            only = Offered(architecture=image.architecture, image=image)
            return cls(digest=digest, is_index=False, images=(only,))
        listed = [(_architecture(each), each.digest) for each in listed_images(raw, digest)]
        images = tuple(
            Offered(architecture=architecture, image=Image.open(store, each))
            for architecture, each in dict.fromkeys(listed)
            if architecture and (not platforms or architecture in platforms)
        )
        return cls(digest=digest, is_index=True, images=images)

    @property
    def digests(self) -> tuple[Digest, ...]:
        """The release's, then those of its images."""
        return tuple(dict.fromkeys((self.digest, *(each.image.digest for each in self.images))))

    def offered(self, platforms: tuple[str, ...]) -> dict[str, tuple[Image, ...]]:
        """Return what there is for each platform that is asked for; of one image nothing but itself is."""
        if not self.is_index:
            return {each.architecture: (each.image,) for each in self.images}
        return {
            name: tuple(each.image for each in self.images if each.architecture == name)
            for name in dict.fromkeys(platforms)
        }


def verified_name(app: str) -> str:
    """Return the name under which this machine's own layout lists the image that was verified last for an app."""
    return f"{app}/verified"


def _architecture(listed: Descriptor) -> str:
    system, _, architecture = platform_of(listed).partition("/")
    return architecture if system == "linux" else ""
