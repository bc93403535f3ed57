"""``DockerArchive``: read what ``docker save`` wrote, as hostile, without unpacking it."""

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pipeline.digests.documents import Document
from pipeline.digests.places import MAGIC, Stored, open_file
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.errors import StoreError
from runtime.oci.archive import Limits, read_entries
from runtime.oci.descriptor import LAYER_TAR, Descriptor, parse_digest
from runtime.oci.document import DOCUMENT_LIMIT, items, member, parse_document, text, texts
from runtime.oci.layout import hash_stream
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.tar import BLOCK, Kind
from runtime.oci.unpack import check_path

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

_LIST = b"manifest.json"
_MOST_FILES = 10_000
_MOST_LAYERS = 200


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
            is_plain = file.read(2) not in MAGIC
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
        if file.read(2) in MAGIC:
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
