"""``Descriptor``: what a blob is, how it is called by digest, and how long it is.

Source: OCI image specification, descriptor.md.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Self

from runtime.canonical import Json
from runtime.data import dataclass, field
from runtime.digest import Digest
from runtime.errors import DigestError
from runtime.oci.document import integer, member, text, text_map
from runtime.oci.refusal import Refusal, RefusedError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"

REF_NAME = "org.opencontainers.image.ref.name"
"""The annotation by which an image layout names a manifest."""

PART = "dev.seatrial.layer.part"
"""The annotation of layers that were cut from one tree: neighbors with the same value have no path in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """What a blob is.

    Args:
        media_type: its media type.
        digest: of its bytes.
        size: bytes.
        annotations: free text by key.
        artifact_type: of a manifest, what the artifact is; empty for none.
        platform: of a manifest in an index, ``os`` and ``architecture``; empty for none.
    """

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    artifact_type: str = ""
    platform: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def to_json(self) -> Mapping[str, Json]:
        """Return it as it stands in manifests and indexes; empty parts are left out."""
        value: dict[str, Json] = {"mediaType": self.media_type, "digest": self.digest.text, "size": self.size}
        if self.annotations:
            value["annotations"] = dict(self.annotations)
        if self.artifact_type:
            value["artifactType"] = self.artifact_type
        if self.platform:
            value["platform"] = dict(self.platform)
        return value

    @classmethod
    def parse(cls, value: Json, where: str) -> Self:
        """Read a descriptor that came with an image.

        Args:
            value: the parsed object.
            where: what it is part of, for messages.

        Raises:
            RefusedError: a field is missing or of another type, the digest is of another form or algorithm, or the
                content is to be had from ``urls``.
        """
        if member(value, "urls", where) or member(value, "data", where):
            raise RefusedError(
                Refusal.FOREIGN_LAYER, f"{where} wants its content from 'urls' or 'data', not from the store"
            )
        size = integer(member(value, "size", where), f"{where}, size")
        if size < 0:
            raise RefusedError(Refusal.BLOB_SIZE, f"{where} has the size {size}")
        platform = member(value, "platform", where)
        return cls(
            media_type=text(member(value, "mediaType", where), f"{where}, mediaType"),
            digest=parse_digest(member(value, "digest", where), f"{where}, digest"),
            size=size,
            annotations=text_map(member(value, "annotations", where), f"{where}, annotations"),
            artifact_type=text(member(value, "artifactType", where) or "", f"{where}, artifactType"),
            platform=_platform(platform, where),
        )


def parse_digest(value: Json, where: str) -> Digest:
    """Read a digest that came with an image.

    Raises:
        RefusedError: it is no text, or no SHA-256 in the one form that is accepted.
    """
    try:
        return Digest(text(value, where))
    except DigestError as error:
        raise RefusedError(Refusal.DIGEST_FORM, f"{where}: {error.message[:120]}") from error


def _platform(value: Json, where: str) -> Mapping[str, str]:
    if value is None:
        return MappingProxyType({})
    keys = ("architecture", "os", "variant")
    found = {key: text(member(value, key, where) or "", f"{where}, platform {key}") for key in keys}
    return MappingProxyType({key: item for key, item in found.items() if item})
