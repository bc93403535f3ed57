"""Every byte that a lock names, kept in a registry: for the day on which the archives have them no more.

It is an artifact of OCI 1.1: a manifest with a layer for each file, which says by which hash the lock names it. Beside
the packages lie the signed indexes, ``InRelease``, that were read when the lock was made.

Source: OCI image specification, manifest.md, "Guidelines for Artifact Usage".
"""

import contextlib
import hashlib
import io
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.build.artifact import Artifact
from pipeline.build.fetch import Fetcher
from pipeline.build.lock import Lock
from pipeline.declare.errors import FetchError, LockError, MissingError
from pipeline.registry.http import BLOCK, Connections
from pipeline.registry.registry import Registry
from pipeline.registry.repository import Repository
from pipeline.registry.unfinished import Unfinished
from runtime.canonical import Json, to_canonical_json
from runtime.digest import Digest
from runtime.errors import DigestError, ImageError, StoreError
from runtime.oci.descriptor import MANIFEST, Descriptor
from runtime.oci.document import items, parse_document
from runtime.oci.refusal import RefusedError
from runtime.oci.remote import Remote, parse_remote

KIND = "application/vnd.seatrial.vendored.v1+json"
FILE = "application/vnd.seatrial.vendored.file.v1"
HASH = "dev.seatrial.hash"
"""The annotation of a layer that says by which hash a lock names its bytes."""

_TITLE = "org.opencontainers.image.title"
_EMPTY = "application/vnd.oci.empty.v1+json"


def place_of(reference: str) -> Remote:
    """Return where an artifact is to be put.

    Raises:
        LockError: it is no name in a registry, or pins a digest.
    """
    try:
        remote = parse_remote(reference)
    except (ImageError, DigestError) as error:
        raise LockError(error.message, hint="--vendor takes HOST/NAME:TAG") from error
    if remote.digest is not None:
        raise LockError(f"{reference} pins a digest", hint="--vendor takes HOST/NAME:TAG")
    return remote


def keep(lock: Lock, fetcher: Fetcher, remote: Remote) -> str:
    """Put what a lock names into a registry, the tag last; return the name that pins it, ``HOST/NAME@sha256:…``.

    Files that the registry has already are not sent again.

    Raises:
        LockError: the lock names an image that exists already.
        FetchError: a file cannot be had, or the registry cannot be reached, or refuses.
        RefusedError: a file is not what the lock says, or the registry gives back other bytes.
    """
    files = _files(lock, fetcher)
    source, repository = (
        _Files({each.descriptor.digest: each for each in files}),
        Repository(remote, fetcher.connections, unfinished=Unfinished(fetcher.cache.folder / "uploads")),
    )
    empty = _File.of(b"{}", "", "", kind=_EMPTY)
    repository.put_blob(empty.descriptor, _Files({empty.descriptor.digest: empty}))
    repository.put_blobs([each.descriptor for each in files], source)
    manifest: dict[str, Json] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": KIND,
        "config": empty.descriptor.to_json(),
        "layers": [each.descriptor.to_json() for each in files],
    }
    raw = to_canonical_json(manifest)
    repository.put_manifest(raw, MANIFEST)
    return f"{remote.host}/{remote.repository}@{Digest.of(raw)}"


class Vendored:
    """The files of an artifact; safe to use from several threads. Nothing is asked before the first is wanted.

    Args:
        reference: the name that ``keep`` returned.
    """

    def __init__(self, reference: str) -> None:
        self.reference = reference
        self._remote = parse_remote(reference)
        self._lock = threading.Lock()
        self._found: tuple[Registry, Mapping[str, Descriptor]] | None = None
        self._problem = ""

    @contextlib.contextmanager
    def open(self, artifact: Artifact, connections: Connections) -> Iterator[Iterator[bytes]]:
        """Yield the blocks of a file, which whoever takes them verifies.

        Raises:
            FetchError: the registry cannot be read, or what it gives is refused.
            MissingError: the artifact has no such file.
        """
        try:
            registry, files = self._opened(connections)
            if artifact.hash not in files:
                raise MissingError("the artifact has no such file")
            with registry.open(files[artifact.hash].digest) as file:
                yield iter(lambda: file.read(BLOCK), b"")
        except StoreError as error:
            raise MissingError(error.message) from error
        except (DigestError, RefusedError) as error:
            raise FetchError(error.message) from error

    def _opened(self, connections: Connections) -> tuple[Registry, Mapping[str, Descriptor]]:
        # The manifest is read by one thread: its answer to the registry's challenge is the answer of all.
        with self._lock:
            if self._problem:  # A registry that is away is waited for once, not for each file.
                raise FetchError(self._problem)
            if self._found is None:
                self._found = self._read(connections)
            return self._found

    def _read(self, connections: Connections) -> tuple[Registry, Mapping[str, Descriptor]]:
        registry = Registry(self._remote, connections)
        try:
            return registry, _by_hash(registry.manifest())
        except (FetchError, DigestError, StoreError, RefusedError) as error:
            self._problem = error.message
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    content: Path | bytes
    descriptor: Descriptor

    @classmethod
    def of(cls, content: Path | bytes, title: str, named: str, *, kind: str = FILE) -> "_File":
        with _reader(content) as file:
            digest = Digest(f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        notes = {_TITLE: title, HASH: named} if title else {}
        return cls(content=content, descriptor=Descriptor(media_type=kind, digest=digest, size=size, annotations=notes))


class _Files:
    """Satisfies ``runtime.oci.store.Blobs`` for files of the cache."""

    def __init__(self, files: Mapping[Digest, _File]) -> None:
        self._files = files

    def open(self, digest: Digest) -> BinaryIO:
        return _reader(self._files[digest].content)

    def read(self, digest: Digest, limit: int) -> bytes:
        with self.open(digest) as file:
            return file.read(limit)


def _reader(content: Path | bytes) -> io.BufferedReader | io.BytesIO:
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def _files(lock: Lock, fetcher: Fetcher) -> tuple[_File, ...]:
    """Return all files in an order that depends on nothing but them."""
    named = {each.hash: each for each in _artifacts(lock)}
    wanted = sorted(named.values(), key=lambda each: (each.source, each.hash))
    paths = fetcher.fetch_all(wanted)
    packages = [
        _File.of(path, f"{each.archive}/{each.path}", each.hash) for each, path in zip(wanted, paths, strict=True)
    ]
    indexes = [
        _File.of(raw, source.replace(":", "/", 1), Digest.of(raw).text)
        for source, raw in sorted(fetcher.indexes.items())
    ]
    return (*packages, *indexes)


def _artifacts(lock: Lock) -> Iterator[Artifact]:
    for platform in lock.platforms.values():
        for tree in (platform.image, platform.suite, *platform.services.values()):
            if tree.existing is not None:
                raise LockError(
                    "--vendor keeps packages, and the lock names an image that exists already",
                    hint="copy that image into a registry of yours, and name it there in 'from'",
                )
            yield from (each.artifact for each in tree.inputs)


def _by_hash(raw: bytes) -> Mapping[str, Descriptor]:
    manifest = parse_document(raw, "the manifest of a vendored lock")
    layers = items(manifest.get("layers"), "layers of a vendored lock")
    found = [Descriptor.parse(each, "layer of a vendored lock") for each in layers]
    return {each.annotations[HASH]: each for each in found if HASH in each.annotations}
