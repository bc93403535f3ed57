"""``survey``: all that belongs to a release: the manifests of an image or an index, and all that is attached to them.

Nothing that a store says is trusted. Of the release itself every document is read strictly, and one that is malformed
ends the move. What is attached is another's: of that, what cannot be read is left out, and told, since nobody who may
write beside an image should keep it from moving.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from pipeline.declare.errors import PromotionError
from pipeline.registry.push import blobs_of
from pipeline.registry.repository import PARALLEL
from pipeline.release.registry_stage import RegistryStage
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.errors import DigestError, StoreError
from runtime.oci.attached import Attachable
from runtime.oci.descriptor import INDEX, MANIFEST, Descriptor
from runtime.oci.document import DOCUMENT_LIMIT, items, parse_document, text
from runtime.oci.image import parse_manifest
from runtime.oci.reference import is_index
from runtime.oci.referrers import referrer_of
from runtime.oci.refusal import Refusal, RefusedError

_MOST = 10_000  # documents of one release
_MOST_BYTES = 256 << 20  # of all documents, which are in memory
_AT_ONCE = 16  # artifacts that are in memory before they are counted
_DEPTH = 8  # of indexes in indexes, and of what is attached to what is attached


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A manifest or an index, as it is moved.

    Args:
        descriptor: of it.
        raw: its bytes.
        blobs: what it consists of.
        subject: what it is attached to; None where it is part of the release.
    """

    descriptor: Descriptor
    raw: bytes = field(repr=False)
    blobs: tuple[Descriptor, ...]
    subject: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Something attached that is not moved.

    Args:
        artifact: as the list of referrers has it.
        problem: why.
    """

    artifact: Descriptor
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """All that belongs to a release.

    Args:
        release: its descriptor.
        documents: in the order in which they are put: an index after what it lists, an attachment after its subject.
        left_out: what is attached and cannot be read.
    """

    release: Descriptor
    documents: tuple[Document, ...]
    left_out: tuple[LeftOut, ...]


def survey(release: Digest, source: Attachable) -> Survey:
    """Read all documents of a release.

    Args:
        release: the digest of its manifest or index.
        source: has it.

    Raises:
        StoreError: a document of the release is missing.
        RefusedError, DigestError: one is malformed, or has another digest or size.
        PromotionError: it is too large to be moved.
        FetchError: the source cannot be reached.
    """
    reader = _Reader(source.at_one_time() if isinstance(source, RegistryStage) else source)
    documents = tuple(reader.part(release, None, 0))
    return Survey(
        release=next(each.descriptor for each in documents if each.descriptor.digest == release),
        documents=documents,
        left_out=tuple(reader.left_out),
    )


class _Reader:
    """Reads documents, each once, in the order in which they are put."""

    def __init__(self, source: Attachable) -> None:
        self._source = source
        self._seen: set[Digest] = set()
        self._bytes = 0
        self.left_out: list[LeftOut] = []

    def part(self, digest: Digest, size: int | None, depth: int) -> Iterator[Document]:
        """Yield a document of the release after those that it lists, and what is attached to it after it."""
        if digest in self._seen:
            return
        raw = self._counted(digest, self._source.read(digest, DOCUMENT_LIMIT), size)
        document = parse_document(raw, f"manifest {digest}")
        blobs: tuple[Descriptor, ...] = ()
        if is_index(document):
            yield from self._listed(document, digest, depth)
        else:
            blobs = blobs_of(parse_manifest(raw, str(digest)), digest)
        yield Document(descriptor=_described(document, digest, raw), raw=raw, blobs=blobs)
        yield from self._attached(digest, depth)

    def _listed(self, index: Mapping[str, Json], digest: Digest, depth: int) -> Iterator[Document]:
        if depth >= _DEPTH:
            raise RefusedError(Refusal.MANIFEST_COUNT, f"indexes are nested deeper than {_DEPTH} at {digest}")
        if {"config", "layers"} & set(index):
            raise RefusedError(Refusal.MANIFEST_AMBIGUOUS, f"index {digest} has the keys of an image manifest")
        for each in items(index.get("manifests"), f"index {digest}"):
            listed = Descriptor.parse(each, f"index {digest}")
            yield from self.part(listed.digest, listed.size, depth + 1)

    def _attached(self, subject: Digest, depth: int) -> Iterator[Document]:
        """Yield what is attached to a document, each followed by what is attached to it."""
        for each, raw in self._read_all(self._source.referrers(subject)):
            try:
                found = self._artifact(self._counted(each.digest, raw.result(), None), subject, depth)
            except (RefusedError, StoreError, DigestError) as error:
                self.left_out.append(LeftOut(artifact=each, problem=error.message))
                continue
            yield found
            yield from self._attached(each.digest, depth + 1)

    def _read_all(self, listed: Sequence[Descriptor]) -> Iterator[tuple[Descriptor, Future[bytes]]]:
        """Read artifacts, a few at a time; yield each with what came of it."""
        for start in range(0, len(listed), _AT_ONCE):
            some = [each for each in listed[start : start + _AT_ONCE] if each.digest not in self._seen]
            with ThreadPoolExecutor(PARALLEL, thread_name_prefix="survey") as threads:
                begun = [threads.submit(self._source.read, each.digest, DOCUMENT_LIMIT) for each in some]
            yield from zip(some, begun, strict=True)

    def _artifact(self, raw: bytes, subject: Digest, depth: int) -> Document:
        if depth >= _DEPTH:
            raise RefusedError(Refusal.MANIFEST_COUNT, f"attachments are nested deeper than {_DEPTH}")
        digest = referrer_of(raw, subject).digest
        # What an index lists would have to be moved before it; nobody attaches one, and here it is refused.
        document = _without_data(parse_manifest(raw, str(digest)))
        described = _described(document, digest, raw)
        return Document(descriptor=described, raw=raw, blobs=blobs_of(document, digest), subject=subject)

    def _counted(self, digest: Digest, raw: bytes, size: int | None) -> bytes:
        if size not in (None, len(raw)):
            raise RefusedError(Refusal.BLOB_SIZE, f"manifest {digest} has {len(raw)} bytes, its index says {size}")
        self._seen.add(digest)
        self._bytes += len(raw)
        if len(self._seen) > _MOST or self._bytes > _MOST_BYTES:
            raise PromotionError(
                f"more than {_MOST} documents, or {_MOST_BYTES >> 20} MiB of them, belong to the release",
                hint="remove what is attached to it and not needed",
            )
        return raw


def _described(document: Mapping[str, Json], digest: Digest, raw: bytes) -> Descriptor:
    default = INDEX if is_index(document) else MANIFEST
    kind = text(document.get("mediaType", default), f"mediaType of {digest}")
    return Descriptor(media_type=kind, digest=digest, size=len(raw))


def _without_data(manifest: Mapping[str, Json]) -> Mapping[str, Json]:
    """Leave out the copies of blobs that descriptors carry; other tools write them, and the blobs are there as well."""
    found = dict(manifest)
    if isinstance(config := found.get("config"), Mapping):
        found["config"] = {key: value for key, value in config.items() if key != "data"}
    if isinstance(layers := found.get("layers"), list):
        found["layers"] = [
            {key: value for key, value in each.items() if key != "data"} if isinstance(each, Mapping) else each
            for each in layers
        ]
    return found
