"""``Image``: a read-only view of one image, or of a suite tree, by the digest of its manifest."""

from collections.abc import Mapping
from typing import Self

from runtime.canonical import Json
from runtime.data import dataclass
from runtime.digest import Digest
from runtime.oci.descriptor import (
    CONFIG,
    DOCKER_CONFIG,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    LAYER_GZIP,
    LAYER_TAR,
    LAYER_ZSTD,
    MANIFEST,
    Descriptor,
    parse_digest,
)
from runtime.oci.document import DOCUMENT_LIMIT, items, member, parse_document, text, text_map, texts
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.store import Blobs

SUITE = "application/vnd.seatrial.suite.v1"
"""The artifact type of a suite tree."""

SUITE_CONFIG = "application/vnd.seatrial.suite.config.v1+json"
"""The config of a suite tree: ``rootfs`` with the diff ids of its layers, nothing else."""

_LAYERS = (LAYER_TAR, LAYER_GZIP, LAYER_ZSTD, DOCKER_LAYER_GZIP)
_CONFIGS = (CONFIG, DOCKER_CONFIG, SUITE_CONFIG)
_LAYER_LIMIT = 200  # overlayfs takes 500 lower layers, and the suite's are stacked on top


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer: its blob, and the digest of the archive in it."""

    descriptor: Descriptor
    diff_id: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image. Manifest and config have been read and verified; the layers have not been touched.

    Args:
        digest: of the manifest.
        manifest: as parsed.
        config: as parsed.
        layers: the lowest first.
    """

    digest: Digest
    manifest: Mapping[str, Json]
    config: Mapping[str, Json]
    layers: tuple[Layer, ...]

    @classmethod
    def open(cls, store: Blobs, digest: Digest) -> Self:
        """Read the manifest and the config of an image.

        Raises:
            StoreError: a blob is missing.
            DigestError: a blob has another digest than its name.
            RefusedError: a document is malformed, ambiguous, too large, or asks for something that is refused.
        """
        manifest = parse_manifest(store.read(digest, DOCUMENT_LIMIT), str(digest))
        described = Descriptor.parse(manifest.get("config"), f"config of {digest}")
        if described.media_type not in _CONFIGS:
            raise RefusedError(Refusal.MEDIA_TYPE, f"config of {digest} is {described.media_type!r}, no image config")
        raw = store.read(described.digest, DOCUMENT_LIMIT)
        if len(raw) != described.size:
            message = f"config {described.digest} has {len(raw)} bytes, its manifest says {described.size}"
            raise RefusedError(Refusal.BLOB_SIZE, message)
        config = parse_document(raw, f"config of {digest}")
        return cls(digest=digest, manifest=manifest, config=config, layers=_layers(manifest, config, str(digest)))

    @property
    def is_suite(self) -> bool:
        """Whether this is a suite tree."""
        return self.manifest.get("artifactType") == SUITE

    @property
    def architecture(self) -> str:
        """In Go's words, such as ``amd64``; empty if it does not say."""
        return text(self.config.get("architecture") or "", "architecture")

    @property
    def system(self) -> str:
        """The operating system in Go's words, such as ``linux``; empty if it does not say."""
        return text(self.config.get("os") or "", "os")

    @property
    def user(self) -> str:
        """``User`` as written: empty, a name or an id, with or without a group."""
        return text(self._run("User") or "", "User")

    @property
    def environment(self) -> Mapping[str, str]:
        """``Env``; the last of two equal names wins, an entry without ``=`` is empty."""
        pairs = (each.partition("=") for each in texts(self._run("Env"), "Env"))
        return {name: value for name, _, value in pairs}

    @property
    def workdir(self) -> str:
        """``WorkingDir``, ``/`` if it says none."""
        return text(self._run("WorkingDir") or "/", "WorkingDir")

    @property
    def entrypoint(self) -> tuple[str, ...]:
        """``Entrypoint``."""
        return texts(self._run("Entrypoint"), "Entrypoint")

    @property
    def command(self) -> tuple[str, ...]:
        """``Cmd``: the arguments of the entry point, or the program if there is none."""
        return texts(self._run("Cmd"), "Cmd")

    @property
    def ports(self) -> tuple[str, ...]:
        """``ExposedPorts`` such as ``8000/tcp``, sorted."""
        found = self._run("ExposedPorts")
        return tuple(sorted(found)) if isinstance(found, Mapping) else ()

    @property
    def labels(self) -> Mapping[str, str]:
        """``Labels``."""
        return text_map(self._run("Labels"), "Labels")

    @property
    def diff_ids(self) -> tuple[Digest, ...]:
        """The digests of the layers' archives, the lowest first."""
        return tuple(each.diff_id for each in self.layers)

    def _run(self, key: str) -> Json:
        section = self.config.get("config")
        return None if section is None else member(section, key, f"config of {self.digest}")


def parse_manifest(raw: bytes, what: str) -> Mapping[str, Json]:
    """Parse the bytes of an image manifest.

    Raises:
        RefusedError: it is malformed, no image manifest, or could be read as an index as well (CVE-2021-41190).
    """
    manifest = parse_document(raw, f"manifest {what}")
    if "manifests" in manifest or "fsLayers" in manifest:
        raise RefusedError(
            Refusal.MANIFEST_AMBIGUOUS, f"manifest {what} has the keys of an index or of an older format"
        )
    media_type = manifest.get("mediaType", MANIFEST)
    if media_type not in (MANIFEST, DOCKER_MANIFEST) or manifest.get("schemaVersion") != 2:
        message = (
            f"{what} is {media_type!r}, schema {manifest.get('schemaVersion')!r}, not an image manifest of schema 2"
        )
        raise RefusedError(Refusal.MEDIA_TYPE, message)
    return manifest


def _layers(manifest: Mapping[str, Json], config: Mapping[str, Json], what: str) -> tuple[Layer, ...]:
    listed = items(manifest.get("layers"), f"layers of {what}")
    if len(listed) > _LAYER_LIMIT:
        raise RefusedError(Refusal.LAYER_COUNT, f"{what} has {len(listed)} layers; at most {_LAYER_LIMIT} are read")
    descriptors = [Descriptor.parse(each, f"layer {index} of {what}") for index, each in enumerate(listed, 1)]
    for each in descriptors:
        if each.media_type not in _LAYERS:
            raise RefusedError(
                Refusal.MEDIA_TYPE, f"layer {each.digest} of {what} is {each.media_type!r}, not accepted"
            )
    diff_ids = texts(member(config.get("rootfs"), "diff_ids", f"rootfs of {what}"), f"diff_ids of {what}")
    if len(diff_ids) != len(descriptors):
        message = f"{what} has {len(descriptors)} layers and {len(diff_ids)} diff_ids"
        raise RefusedError(Refusal.DIFF_IDS, message)
    digests = [parse_digest(each, f"diff_ids of {what}") for each in diff_ids]
    pairs = zip(descriptors, digests, strict=True)
    return tuple(Layer(descriptor=each, diff_id=digest) for each, digest in pairs)
