"""Archives of ``docker save``: what is in one becomes an image with a manifest, since Docker keeps none.

Older Dockers write a folder for each layer, newer ones a layout; in both ``manifest.json`` names config and layers.
What identifies such an image is the digest of its config. The one manifest that is written for it says so.

Source: moby, image/tarexport; the OCI image specification, manifest.md and annotations.md.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from runtime.canonical import Json, to_canonical_json
from runtime.data import dataclass
from runtime.digest import Digest
from runtime.errors import ImageError, StoreError
from runtime.oci.archive import Limits, read_content, read_entries
from runtime.oci.descriptor import CONFIG, LAYER_GZIP, LAYER_TAR, LAYER_ZSTD, MANIFEST, Descriptor, parse_digest
from runtime.oci.document import DOCUMENT_LIMIT, items, member, parse_document, text, texts
from runtime.oci.layout import Layout, hash_stream
from runtime.oci.refusal import Refusal, RefusedError
from runtime.oci.stream import LayerStream
from runtime.oci.tar import Kind
from runtime.oci.unpack import check_path

CONVERTED = "dev.seatrial.converted"
"""The annotation of a manifest that no registry has: what the image was converted from."""

_LIST = "manifest.json"
_CHUNK = 1 << 20
_MOST_LINKS = 8
_MOST_LAYERS = 200
_MAGICS = {b"\x1f\x8b": LAYER_GZIP, b"\x28\xb5\x2f\xfd": LAYER_ZSTD}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Where the content of a file lies in the archive."""

    offset: int
    size: int


def convert_docker_archive(path: Path, name: str, target: Layout) -> Digest:
    """Take an image from an archive of ``docker save``, and return the digest of the manifest that is written for it.

    The same archive gives the same manifest each time. Each layer is verified against the config before it is visible.

    Args:
        path: the archive, not compressed.
        name: the name and tag of the image in it; empty for the only one.
        target: takes it.

    Raises:
        StoreError: there is no such file, or it cannot be read.
        ImageError: it has no such image, or several and none is named.
        RefusedError: it is malformed, or a layer is not what the config says.
    """
    try:
        with path.open("rb") as file:
            return _convert(_Archive(file, str(path)), name, target)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error


class _Archive:
    """The files of a tar archive, by path."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self._file = file
        self._parts: dict[bytes, _Part] = {}
        self._links: dict[bytes, bytes] = {}
        limits = Limits(entries=10_000)
        for entry in read_entries(file, limits):
            path = check_path(entry.path, limits)
            if entry.kind is Kind.FILE:
                self._parts[path] = _Part(offset=file.tell(), size=entry.size)
                for _ in read_content(file, entry.size):
                    pass
            elif entry.kind is Kind.SYMLINK:
                self._links[path] = os.path.normpath(os.path.join(os.path.dirname(path), entry.target))  # noqa: PTH118, PTH120 - bytes
            elif entry.kind is Kind.HARDLINK:
                self._links[path] = check_path(entry.target, limits)

    def size(self, path: str) -> int:
        """Return how long a file is.

        Raises:
            RefusedError: there is none, or links lead around.
        """
        return self._find(path).size

    def read(self, path: str) -> bytes:
        """Return a document."""
        if self.size(path) > DOCUMENT_LIMIT:
            raise RefusedError(Refusal.DOCUMENT_SIZE, f"{path} in {self.name} has {self.size(path)} bytes")
        return b"".join(self.blocks(path))

    def blocks(self, path: str) -> Iterator[bytes]:
        """Yield a file in parts."""
        part = self._find(path)
        for offset in range(0, part.size, _CHUNK):
            self._file.seek(part.offset + offset)
            yield self._file.read(min(_CHUNK, part.size - offset))

    def _find(self, path: str) -> _Part:
        found = os.fsencode(path)
        for _ in range(_MOST_LINKS):
            if found in self._parts:
                return self._parts[found]
            found = self._links.get(found, b"")
        raise RefusedError(Refusal.LINK_TARGET, f"{self.name} has no file {path[:120]!a}, which it names")


def _convert(archive: _Archive, name: str, target: Layout) -> Digest:
    entry = _chosen(archive, name)
    what = f"{_LIST} of {archive.name}"
    raw = archive.read(text(member(entry, "Config", what), what))
    config = parse_document(raw, f"config in {archive.name}")
    paths = texts(member(entry, "Layers", what), what)
    diff_ids = texts(member(config.get("rootfs"), "diff_ids", what), what)
    if len(paths) != len(diff_ids) or len(paths) > _MOST_LAYERS:
        raise RefusedError(
            Refusal.DIFF_IDS,
            f"{what} names {len(paths)} layers, and the config {len(diff_ids)}; at most {_MOST_LAYERS}",
        )
    layers = [
        _layer(archive, path, parse_digest(each, what), target) for path, each in zip(paths, diff_ids, strict=True)
    ]
    manifest: dict[str, Json] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": target.write(raw, CONFIG).to_json(),
        "layers": [each.to_json() for each in layers],
        "annotations": {CONVERTED: "docker-archive"},
    }
    return target.write(to_canonical_json(manifest), MANIFEST).digest


def _chosen(archive: _Archive, name: str) -> Mapping[str, Json]:
    # The file is a list; what is read here is an object. Whatever else it smuggles into it is not looked at.
    listed = parse_document(b'{"images":' + archive.read(_LIST) + b"}", f"{_LIST} of {archive.name}")
    images = {}
    for each in items(listed["images"], _LIST):
        if not isinstance(each, Mapping):
            raise RefusedError(Refusal.JSON_TYPE, f"{_LIST} of {archive.name} lists what is no object")
        images[tuple(texts(each.get("RepoTags"), _LIST))] = each
    fitting = [each for tags, each in images.items() if not name or name in tags]
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(sorted(tag for tags in images for tag in tags)[:8]) or "images without a name"
    reason = f"has {len(images)} images, and none is named" if not name else f"has no image {name!a}"
    raise ImageError(f"{archive.name} {reason}", hint=f"it has {known}; write docker-archive:FILE:NAME:TAG")


def _layer(archive: _Archive, path: str, diff_id: Digest, target: Layout) -> Descriptor:
    """Put a layer in as it is, once the archive in it has been found to have the digest that the config names."""
    with target.stage() as file:
        for block in archive.blocks(path):
            file.write(block)
        file.flush()
        file.seek(0)
        head = file.read(4)
        kind = next((each for magic, each in _MAGICS.items() if head.startswith(magic)), LAYER_TAR)
        file.seek(0)
        digest, size = hash_stream(file)
        described = Descriptor(media_type=kind, digest=digest, size=size)
        file.seek(0)
        LayerStream(file, described, diff_id, Limits()).finish()
        return target.commit(file, kind, expected=digest)
