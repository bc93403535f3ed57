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
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from runtime.digest import Digest
from runtime.oci.image import Image
from runtime.oci.layout import Layout

REPOSITORY = "seatrial.local/run"


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
    reader, writer = os.pipe()
    thread = threading.Thread(target=_write, args=(writer, layout, image, suite), name="seatrial-archive", daemon=True)
    thread.start()
    with os.fdopen(reader, "rb") as stream:
        yield stream
    thread.join()


def _write(writer: int, layout: Layout, image: Digest, suite: Digest | None) -> None:
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
    try:
        with os.fdopen(writer, "wb") as stream, tarfile.open(fileobj=stream, mode="w|") as archive:
            for path, layer in zip(paths, layers, strict=True):
                with layout.open(layer.descriptor.digest) as blob:
                    entry = tarfile.TarInfo(path)
                    entry.size = layer.descriptor.size
                    archive.addfile(entry, blob)
            for path, content in ((name, raw), ("manifest.json", json.dumps([listed]).encode())):
                entry = tarfile.TarInfo(path)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    except BrokenPipeError:
        pass  # the engine has refused the image, and says why


def files_archive(entries: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """Return a tar archive of a few small entries."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for entry, content in entries:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
