"""An image as Docker loads it: the identical layers, those of the suite stacked on those of the image.

Docker knows an image by the digest of a configuration, and its layers by the digests of their archives (``diff_ids``):
what it runs is what was built, although it keeps no manifest.

Source: moby, image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format".
"""

import io
import json
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from runtime.canonical import Json, to_canonical_json
from runtime.digest import Digest
from runtime.oci.descriptor import INDEX, MANIFEST, REF_NAME, Descriptor
from runtime.oci.document import DOCUMENT_LIMIT
from runtime.oci.image import Image
from runtime.oci.layout import Layout

REPOSITORY = "seatrial.local/run"

_BLOBS = "blobs/sha256"


def tag_of(image: Digest, suite: Digest | None) -> str:
    """Return the tag under which an engine keeps an image with a suite on it."""
    return Digest.of_json({"image": image.text, "suite": suite.text if suite else None}).hex[:32]


@contextmanager
def archive_of(layout: Layout, image: Digest, suite: Digest | None) -> Iterator[BinaryIO]:
    """Give the archive as a stream, written while it is read.

    Args:
        layout: where manifests and layers are.
        image: digest of the image's manifest.
        suite: digest of the suite's manifest; None for none.
    """
    with _streamed(lambda archive: _add_stacked(archive, layout, image, suite)) as stream:
        yield stream


@contextmanager
def whole_archive(layout: Layout, image: Digest, name: str) -> Iterator[BinaryIO]:
    """Give an image as it is, as a stream: an OCI layout that is an archive of ``docker save`` too.

    Docker before 25 reads the second and keeps the config's digest; who reads the first keeps the manifest's as well.

    Args:
        layout: where manifest, config and layers are.
        image: digest of the image's manifest.
        name: a name with a tag, which the engine gives it.
    """
    opened = Image.open(layout, image)
    with _streamed(lambda archive: _add_whole(archive, layout, opened, name)) as stream:
        yield stream


def files_archive(entries: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """Return a tar archive of a few small entries."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for entry, content in entries:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@contextmanager
def _streamed(write: Callable[[tarfile.TarFile], None]) -> Iterator[BinaryIO]:
    reader, writer = os.pipe()

    def run() -> None:
        try:
            with os.fdopen(writer, "wb") as stream, tarfile.open(fileobj=stream, mode="w|") as archive:
                write(archive)
        except BrokenPipeError:
            pass  # the engine has refused the image, and says why

    thread = threading.Thread(target=run, name="seatrial-archive", daemon=True)
    thread.start()
    with os.fdopen(reader, "rb") as stream:
        yield stream
    thread.join()


def _add_stacked(archive: tarfile.TarFile, layout: Layout, image: Digest, suite: Digest | None) -> None:
    below = Image.open(layout, image)
    layers = below.layers + (Image.open(layout, suite).layers if suite else ())
    config = {
        "architecture": below.architecture or "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [each.diff_id.text for each in layers]},
    }
    raw = json.dumps(config).encode()
    name = f"{Digest.of(raw).hex}.json"
    paths = [f"{index}-{each.descriptor.digest.hex}.tar" for index, each in enumerate(layers)]
    listed = {"Config": name, "RepoTags": [f"{REPOSITORY}:{tag_of(image, suite)}"], "Layers": paths}
    for path, layer in zip(paths, layers, strict=True):
        _add_blob(archive, path, layout, layer.descriptor)
    _add(archive, name, raw)
    _add(archive, "manifest.json", json.dumps([listed]).encode())


def _add_whole(archive: tarfile.TarFile, layout: Layout, image: Image, name: str) -> None:
    manifest = layout.read(image.digest, DOCUMENT_LIMIT)
    config = Descriptor.parse(image.manifest["config"], f"config of {image.digest}")
    layers = [each.descriptor for each in image.layers]
    paths = {each.digest: f"{_BLOBS}/{each.digest.hex}" for each in (config, *layers)}
    for each, path in paths.items():
        _add_blob(archive, path, layout, next(found for found in (config, *layers) if found.digest == each))
    _add(archive, f"{_BLOBS}/{image.digest.hex}", manifest)
    kind = str(image.manifest.get("mediaType", MANIFEST))
    # The name as containerd reads it, and the tag alone as the image layout's specification has it.
    notes = {"io.containerd.image.name": name, REF_NAME: name.rpartition(":")[2]}
    listed = Descriptor(media_type=kind, digest=image.digest, size=len(manifest), annotations=notes).to_json()
    index: dict[str, Json] = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [listed]}
    saved = {"Config": paths[config.digest], "RepoTags": [name], "Layers": [paths[each.digest] for each in layers]}
    _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    _add(archive, "index.json", to_canonical_json(index))
    _add(archive, "manifest.json", json.dumps([saved]).encode())


def _add_blob(archive: tarfile.TarFile, path: str, layout: Layout, blob: Descriptor) -> None:
    entry = tarfile.TarInfo(path)
    entry.size = blob.size
    with layout.open(blob.digest) as file:
        archive.addfile(entry, file)


def _add(archive: tarfile.TarFile, path: str, content: bytes) -> None:
    entry = tarfile.TarInfo(path)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
