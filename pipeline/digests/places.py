"""Where the blobs of an image lie: in a layout, in a folder of skopeo's, in an archive of ``docker save``."""

import os
import stat
from pathlib import Path
from typing import BinaryIO, Protocol

from runtime.data import dataclass
from runtime.digest import Digest
from runtime.errors import DigestError, StoreError
from runtime.oci.descriptor import LAYER_GZIP, LAYER_TAR, LAYER_ZSTD, Descriptor
from runtime.oci.document import DOCUMENT_LIMIT

MAGIC = {b"\x1f\x8b": LAYER_GZIP, b"\x28\xb5": LAYER_ZSTD}
"""What compressed layers begin with; anything else is an archive as it is."""


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
            kind = MAGIC.get(file.read(2), LAYER_TAR)
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
