"""Where the blobs of an image lie: in a layout, or inside of an archive that ``docker save`` wrote."""

import io
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from pipeline.digests.documents import Document
from runtime.canonical import Json
from runtime.data import dataclass
from runtime.digest import Digest
from runtime.errors import DigestError, StoreError
from runtime.oci.archive import Limits, read_entries
from runtime.oci.descriptor import LAYER_GZIP, LAYER_TAR, LAYER_ZSTD, Descriptor, parse_digest
from runtime.oci.document import DOCUMENT_LIMIT, items, member, parse_document, text, texts
from runtime.oci.layout import hash_stream
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.tar import BLOCK, Kind
from runtime.oci.unpack import check_path

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

_MAGIC = {b"\x1f\x8b": LAYER_GZIP, b"\x28\xb5": LAYER_ZSTD}
_LIST = b"manifest.json"
_MOST_FILES = 10_000
_MOST_LAYERS = 200


class Place(Protocol):
    """Where blobs can be opened."""

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob to be streamed.

        Raises:
            StoreError: it is not there.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One layer as it lies somewhere.

    Args:
        descriptor: of its blob, with the media type that its manifest gives it.
        diff_id: of the archive in it.
        place: where the blob can be opened.
        has_manifest: False in an archive of ``docker save``, where nothing tells of the blob.
    """

    descriptor: Descriptor
    diff_id: Digest
    place: Place
    has_manifest: bool = True

    def sniffed(self) -> Descriptor:
        """Return the descriptor with the media type that its first bytes have, whatever the manifest calls it."""
        with self.place.open(self.descriptor.digest) as file:
            kind = _MAGIC.get(file.read(2), LAYER_TAR)
        return Descriptor(media_type=kind, digest=self.descriptor.digest, size=self.descriptor.size)


class Flat:
    """A folder that ``skopeo copy`` wrote as ``dir:``: ``manifest.json``, and each blob under its hexadecimal digest.

    Args:
        root: the folder.

    Raises:
        StoreError: it is none.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        if not (root / "version").is_file():
            raise StoreError(
                f"{root} is no folder of skopeo's dir:: it has no file version",
                hint="`skopeo copy --preserve-digests docker://NAME dir:DIR` writes one",
            )

    def top(self) -> bytes:
        """Return the manifest or index that it holds."""
        with open_file(self._root / "manifest.json") as file:
            return file.read(DOCUMENT_LIMIT + 1)

    def has(self, digest: Digest) -> bool:
        """Tell whether a blob or a manifest is here."""
        return any((self._root / name).is_file() for name in self._names(digest))

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob; see ``Place.open``."""
        for name in self._names(digest):
            if (self._root / name).is_file():
                return open_file(self._root / name)
        raise StoreError(f"blob {digest} is not in {self._root}")

    def read(self, digest: Digest, limit: int) -> bytes:
        """Return a document, verified.

        Raises:
            DigestError: it has another digest.
            StoreError: it is not there, or too long.
        """
        with self.open(digest) as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise StoreError(f"blob {digest} in {self._root} is longer than {limit} bytes")
        if Digest.of(content) != digest:
            raise DigestError(f"{self._root / digest.hex} has the digest {Digest.of(content)}, expected {digest}")
        return content

    def _names(self, digest: Digest) -> tuple[str, str]:
        return digest.hex, f"{digest.hex}.manifest.json"


class DockerArchive:
    """An archive that ``docker save`` wrote, or ``skopeo copy`` for it: files by name, of which one lists the others.

    It is never unpacked: where each file begins is kept, and a layer is read from there.

    Args:
        path: its file.

    Raises:
        StoreError: it cannot be read.
        RefusedError: it is malformed, or no such archive.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts: dict[bytes, tuple[int, int]] = {}
        self._links: dict[bytes, bytes] = {}
        self._blobs: dict[Digest, bytes] = {}
        with open_file(self._path) as file:
            self._index(file)
        if _LIST not in self._parts:
            raise RefusedError(Refusal.JSON_TYPE, f"{path} has no manifest.json: it is no archive of `docker save`")

    def open(self, digest: Digest) -> BinaryIO:
        """Open a layer; see ``Place.open``."""
        if digest not in self._blobs:
            raise StoreError(f"layer {digest} is not in {self._path}")
        return self._open(self._blobs[digest])

    def image(self) -> tuple[Document, tuple[Stored, ...]]:
        """Return the config of the one image in it, and its layers, the lowest first.

        Raises:
            RefusedError: there are several, or what lists them is malformed.
        """
        what = f"manifest.json of {self._path}"
        listed = self._read(_LIST)
        images = items(parse_document(b'{"images":' + listed + b"}", what)["images"], what)
        if len(images) != 1:
            raise RefusedError(Refusal.MANIFEST_COUNT, f"{what} lists {len(images)} images; one is compared")
        config = Document.of(self._read(_name(member(images[0], "Config", what), what)), f"config of {self._path}")
        names = [_name(each, what) for each in texts(member(images[0], "Layers", what), what)]
        ids = texts(member(config.value.get("rootfs"), "diff_ids", what), what)
        if len(names) != len(ids) or len(names) > _MOST_LAYERS:
            raise RefusedError(Refusal.DIFF_IDS, f"{what} has {len(names)} layers and {len(ids)} diff_ids")
        return config, tuple(self._layer(*pair, what) for pair in zip(names, ids, strict=True))

    def _layer(self, name: bytes, diff_id: str, what: str) -> Stored:
        wanted = parse_digest(diff_id, what)
        with self._open(name) as file:
            is_plain = file.read(2) not in _MAGIC
        _, size = self._parts[self._resolved(name)]
        digest = wanted
        if not is_plain:
            with self._open(name) as file:
                digest, _ = hash_stream(file)
        self._blobs[digest] = name
        return Stored(
            descriptor=Descriptor(media_type=LAYER_TAR, digest=digest, size=size),
            diff_id=wanted,
            place=self,
            has_manifest=False,
        )

    def _index(self, file: BinaryIO) -> None:
        if file.read(2) in _MAGIC:
            raise StoreError(
                f"{self._path} is compressed; `docker save` writes a plain archive", hint="decompress it first"
            )
        file.seek(0)
        for entry in read_entries(file, Limits(entries=_MOST_FILES, file=Limits().total)):
            path = check_path(entry.path, Limits())
            if path in self._parts or path in self._links:
                raise RefusedError(Refusal.NAME_DUPLICATE, f"{path!r} is in {self._path} twice")
            if entry.kind is Kind.FILE:
                self._parts[path] = file.tell(), entry.size
                file.seek(entry.size + -entry.size % BLOCK, os.SEEK_CUR)
            elif entry.kind in (Kind.SYMLINK, Kind.HARDLINK):
                folder = os.path.dirname(path) if entry.kind is Kind.SYMLINK else b""  # noqa: PTH120 - bytes
                self._links[path] = os.path.normpath(os.path.join(folder, entry.target))  # noqa: PTH118 - likewise

    def _resolved(self, name: bytes) -> bytes:
        """Follow one link: an older ``docker save`` writes a layer that is there twice as a link to the first."""
        found = self._links.get(name, name)
        if found not in self._parts:
            raise RefusedError(Refusal.HARDLINK_ABSENT, f"{self._path} lists {name!r}, which is not in it")
        return found

    def _open(self, name: bytes) -> BinaryIO:
        start, size = self._parts[self._resolved(name)]
        file = open_file(self._path)
        file.seek(start)
        return io.BufferedReader(_Window(file, size), 1 << 16)

    def _read(self, name: bytes) -> bytes:
        with self._open(name) as file:
            return file.read(DOCUMENT_LIMIT + 1)


def open_file(path: Path) -> BinaryIO:
    """Open a file to be read; a pipe or a device, which could keep the reader waiting for ever, is an error.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StoreError(f"{path} cannot be read: it is no regular file")
    return os.fdopen(descriptor, "rb")


class _Window(io.RawIOBase):
    """A part of a file as a file of its own."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer", /) -> int:
        view = memoryview(buffer)
        content = self._file.read(min(len(view), self._left))
        view[: len(content)] = content
        self._left -= len(content)
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()


def _name(value: Json, what: str) -> bytes:
    return text(value, what).encode("utf-8", "surrogatepass")
