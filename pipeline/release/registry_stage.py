"""``RegistryStage``: the images of a stage in a repository of a registry."""

import contextlib
import copy
import functools
import io
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Self

from pipeline.registry.answers import LongAnswerError
from pipeline.registry.http import Connections
from pipeline.registry.push import beside
from pipeline.registry.referrers import attach_all, referrers_of
from pipeline.registry.repository import Repository
from pipeline.registry.retry import Patience
from pipeline.registry.tagging import Move, Times, move_tag
from pipeline.registry.unfinished import Unfinished
from pipeline.release.stage_tags import is_image_tag, release_tag
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.errors import DigestError, StoreError
from runtime.oci.descriptor import DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST, Descriptor, parse_digest
from runtime.oci.document import DOCUMENT_LIMIT, member, parse_document, text
from runtime.oci.layout import Layout
from runtime.oci.memory import Memory
from runtime.oci.reference import is_index
from runtime.oci.refusal import RefusedError
from runtime.oci.remote import Remote
from runtime.oci.store import Blobs

MANIFESTS = (MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX)
"""What registries have as manifests; all else is a blob."""


class RegistryStage:
    """Satisfies ``StageStore`` with a repository; safe to use from several threads.

    A registry has manifests in another place than blobs. Which of the two a digest is, the documents tell that were
    read before; of an unknown one the manifests are asked first.

    Args:
        remote: names the repository.
        connections: reach the registry.
        patience: with a registry that is busy or away.
        unfinished: where uploads under way are written down.
        times: how long claims on tags count.

    Attributes:
        remote: as it was given.
        repository: to be read and written.
        place: what statements call it.
        folder: none.
    """

    def __init__(
        self,
        remote: Remote,
        connections: Connections,
        *,
        patience: Patience | None = None,
        unfinished: Unfinished | None = None,
        times: Times | None = None,
    ) -> None:
        self.remote = remote
        self.repository = Repository(remote, connections, patience=patience, unfinished=unfinished)
        self.place = f"oci://{remote.host}/{remote.repository}"
        self.folder: Path | None = None
        self._connections = connections
        self._unfinished = unfinished
        self._times = times
        self._is_manifest: dict[Digest, bool] = {}
        self._tags = self.repository.tags

    def has(self, digest: Digest) -> bool:
        """Tell whether a blob or a manifest is here; see ``Store.has``."""
        is_manifest = self._is_manifest.get(digest)
        if is_manifest is not True and self.repository.size_of(digest) is not None:
            return True
        return is_manifest is not False and self.repository.has_manifest(digest)

    def read(self, digest: Digest, limit: int) -> bytes:
        """Return a whole blob or manifest, verified; see ``Blobs.read``."""
        try:
            raw = self._read(digest, limit)
        except LongAnswerError as error:
            raise StoreError(error.message) from error
        if len(raw) > limit:
            raise StoreError(f"{digest} in {self.place} is longer than {limit} bytes")
        return raw

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob to be streamed; see ``Blobs.open``."""
        if self._is_manifest.get(digest):
            return io.BytesIO(self.read(digest, DOCUMENT_LIMIT))
        return self.repository.open(digest)

    def write(self, content: bytes | Iterable[bytes], media_type: str, *, expected: Digest | None = None) -> Descriptor:
        """Put a blob in, or a manifest, by its media type; see ``Store.write``."""
        if media_type in MANIFESTS and not isinstance(content, bytes):
            content = b"".join(content)
        if isinstance(content, bytes):
            return self._write(content, media_type, expected)
        with tempfile.TemporaryDirectory(prefix="seatrial-") as folder:
            layout = Layout(Path(folder))
            described = layout.write(content, media_type, expected=expected)
            self.repository.put_blob(described, layout)
        self._is_manifest[described.digest] = False
        return described

    def attach(self, manifest: bytes, subject: Digest) -> Descriptor:
        """Put an artifact beside an image; see ``Attachable.attach``."""
        return self.attach_all((manifest,), subject)[0]

    def attach_all(self, manifests: Sequence[bytes], subject: Digest) -> tuple[Descriptor, ...]:
        """Put artifacts beside an image; see ``StageStore.attach_all``."""
        own = attach_all(self.repository, manifests, subject)
        for each, raw in zip(own, manifests, strict=True):
            self._learn(each.digest, raw)
        return own

    def referrers(self, subject: Digest, *, artifact_type: str = "") -> tuple[Descriptor, ...]:
        """Return what is attached to an image; see ``Attachable.referrers``."""
        found = referrers_of(self.repository, subject, artifact_type=artifact_type, tags=self._tags)
        self._is_manifest |= dict.fromkeys((each.digest for each in found), True)
        return found

    def at_one_time(self) -> Self:
        """Return the same store, to look for much that is attached: its tags are read once, at most."""
        found = copy.copy(self)
        found._tags = functools.cache(self.repository.tags)  # noqa: SLF001 - another of our own
        return found

    def tagged(self, name: str) -> Descriptor | None:
        """Return what a tag names; see ``StageStore.tagged``."""
        try:
            raw = self.repository.manifest(name)
        except StoreError:
            return None
        digest = Digest.of(raw)
        document = self._learn(digest, raw)
        default = INDEX if is_index(document) else MANIFEST
        kind = text(document.get("mediaType", default), f"mediaType of {digest}")
        return Descriptor(media_type=kind, digest=digest, size=len(raw))

    def tag(self, name: str, descriptor: Descriptor, expected: Digest | None) -> None:
        """Let a tag name what is here; see ``StageStore.tag``."""
        raw = self.read(descriptor.digest, DOCUMENT_LIMIT)
        move = Move(name=name, raw=raw, media_type=descriptor.media_type, expected=expected)
        move_tag(move, self.repository, times=self._times)

    def keep(self, release: Descriptor) -> None:
        """Give a release a tag of its own; see ``StageStore.keep``."""
        raw = self.read(release.digest, DOCUMENT_LIMIT)
        self.repository.put_manifest(raw, release.media_type, name=release_tag(release.digest), is_read_back=False)

    def tags(self) -> tuple[str, ...]:
        """Return the tags of images; see ``StageStore.tags``."""
        return tuple(each for each in self.repository.tags() if is_image_tag(each))

    def take(self, blobs: Sequence[Descriptor], source: Blobs) -> None:
        """Have blobs of another store here; see ``StageStore.take``."""
        place = source.repository if isinstance(source, RegistryStage) else source
        mount = beside(place, self.remote)
        # A registry lets nobody take from a repository who may not read it, so both are named to whom gives the token.
        target = self.repository if not mount else self._beside(mount)
        target.put_blobs(blobs, place, mount=mount)
        self._is_manifest |= dict.fromkeys((each.digest for each in blobs), False)

    def check(self, blobs: Sequence[Descriptor]) -> None:
        """Look whether blobs are here; see ``StageStore.check``."""
        self.repository.check_blobs(blobs)

    def sweep(self) -> int:
        """Delete the uploads that killed processes left; see ``StageStore.sweep``."""
        return self.repository.sweep()

    def _beside(self, mount: str) -> Repository:
        return Repository(
            self.remote,
            self._connections,
            patience=self.repository.patience,
            others=(mount,),
            unfinished=self._unfinished,
        )

    def _read(self, digest: Digest, limit: int) -> bytes:
        is_manifest = self._is_manifest.get(digest)
        if is_manifest is False:
            return self.repository.read(digest, limit)
        try:
            raw = self.repository.known(digest)
        except StoreError:
            if is_manifest:
                raise
            return self.repository.read(digest, limit)
        self._learn(digest, raw)
        return raw

    def _write(self, content: bytes, media_type: str, expected: Digest | None) -> Descriptor:
        described = Descriptor(media_type=media_type, digest=Digest.of(content), size=len(content))
        if expected not in (None, described.digest):
            raise DigestError(f"what is put there has the digest {described.digest}, expected {expected}")
        if media_type in MANIFESTS:
            # Whoever reads it next reads what the registry has.
            self.repository.put_manifest(content, media_type, name=described.digest.text, is_read_back=False)
            self._learn(described.digest, content)
        else:
            self.repository.put_blob(described, Memory([content]))
            self._is_manifest[described.digest] = False
        return described

    def _learn(self, digest: Digest, raw: bytes) -> Mapping[str, Json]:
        """Remember what a manifest says of which digests are manifests too; return it, parsed."""
        document = parse_document(raw, f"manifest {digest}")
        self._is_manifest[digest] = True
        for key, is_manifest in (("config", False), ("layers", False), ("manifests", True)):
            found = document.get(key)
            for each in found if isinstance(found, list) else [found]:
                with contextlib.suppress(RefusedError):  # Whoever reads it refuses it.
                    self._is_manifest.setdefault(parse_digest(member(each, "digest", ""), ""), is_manifest)
        return document
