"""``Store``: where blobs live."""

from collections.abc import Iterable
from typing import BinaryIO, Protocol

from runtime.digest import Digest
from runtime.oci.descriptor import Descriptor


class Blobs(Protocol):
    """Content by digest, to be read. Reads verify."""

    def read(self, digest: Digest, limit: int) -> bytes:
        """Return a whole blob, verified.

        Raises:
            StoreError: it is not here, or longer than ``limit`` bytes.
            DigestError: the bytes that are here have another digest.
        """

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob to be streamed. Whoever reads it verifies it.

        Raises:
            StoreError: it is not here.
        """


class Store(Blobs, Protocol):
    """Content by digest. Writes are idempotent, reads verify."""

    def has(self, digest: Digest) -> bool:
        """Tell whether the blob is here; its bytes are not looked at."""

    def write(self, content: bytes | Iterable[bytes], media_type: str, *, expected: Digest | None = None) -> Descriptor:
        """Put a blob in; nothing happens if it is here.

        Args:
            content: its bytes, or its parts in order.
            media_type: of the descriptor that is returned.
            expected: the digest that it must have, if that is known before.

        Raises:
            DigestError: the content has another digest than ``expected``; nothing was stored.
            StoreError: it could not be written.
        """
