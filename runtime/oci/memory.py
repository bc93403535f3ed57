"""``Memory``: a few blobs in memory, to be read as those of a store."""

import io
from collections.abc import Iterable
from typing import BinaryIO

from runtime.digest import Digest
from runtime.errors import StoreError


class Memory:
    """Satisfies ``Blobs`` with what it was given.

    Args:
        contents: of each blob its bytes.
    """

    def __init__(self, contents: Iterable[bytes]) -> None:
        self._contents = {Digest.of(each): each for each in contents}

    def read(self, digest: Digest, limit: int) -> bytes:
        """Return a whole blob; see ``Blobs.read``."""
        found = self._contents.get(digest)
        if found is None or len(found) > limit:
            raise StoreError(f"blob {digest} is not in memory, or longer than {limit} bytes")
        return found

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob to be streamed; see ``Blobs.open``."""
        found = self._contents.get(digest)
        if found is None:
            raise StoreError(f"blob {digest} is not in memory")
        return io.BytesIO(found)
