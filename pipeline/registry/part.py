"""``Part``: some bytes of a blob, read while they are sent, and kept until the registry has them all.

Where reading fails, zeros take the place of what is missing: a request that ends in its middle leaves an upload that
some registries let nobody delete. Whoever sends it is told of the failure when the request has been answered.
"""

from collections.abc import Iterable, Iterator

from pipeline.declare.errors import FetchError

_ZEROS = bytes(1 << 16)


class Content:
    """The bytes of a blob, to be taken in parts, one after the other.

    The last block is given when there was no error after it, which is how an iterator says that its bytes were the
    wrong ones: no registry ever has all of them.

    Args:
        blocks: the bytes; none is empty.

    Attributes:
        failure: what reading them raised; None as long as it goes well.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = _one_behind(blocks)
        self._rest = b""
        self.failure: Exception | None = None

    def take(self, most: int) -> bytes:
        """Return the next bytes, at least one and no more than so many: zeros after a failure."""
        if self.failure is None and not self._rest:
            try:
                self._rest = next(self._blocks, b"") or _refuse_end()
            except Exception as error:  # noqa: BLE001 - raised by ``check``, when the request was answered
                self.failure = error
        if self.failure is not None:
            return _ZEROS[:most]
        taken, self._rest = self._rest[:most], self._rest[most:]
        return taken

    def check(self) -> None:
        """Raise what reading the bytes raised."""
        if self.failure is not None:
            raise self.failure


class Part:
    """The next bytes of a content; the one before it has to be read to its end.

    Args:
        content: that they are taken from.
        size: how many they are.

    Attributes:
        size: as it was given.
    """

    def __init__(self, content: Content, size: int) -> None:
        self.size = size
        self._content = content
        self._kept: list[bytes] = []
        self._missing = size

    def read(self) -> None:
        """Read all that was not read yet."""
        while self._missing:
            self._read()

    def from_byte(self, start: int) -> "Rest":
        """Return the bytes from one on, as the content of a request."""
        return Rest(self, start)

    def blocks(self) -> Iterator[bytes]:
        """Yield all bytes: those that were read before, and then the others."""
        position = 0
        while position < len(self._kept) or self._missing:
            if position == len(self._kept):
                self._read()
            yield self._kept[position]
            position += 1

    def _read(self) -> None:
        block = self._content.take(self._missing)
        self._kept.append(block)
        self._missing -= len(block)


class Rest:
    """The last bytes of a part: an iterable that begins anew each time, as a request may be sent twice.

    Args:
        part: whose bytes they are.
        start: how many are left out at the beginning.
    """

    def __init__(self, part: Part, start: int) -> None:
        self._part = part
        self._start = start

    def __len__(self) -> int:
        return self._part.size - self._start

    def __iter__(self) -> Iterator[bytes]:
        passed = self._start
        for block in self._part.blocks():
            if passed < len(block):
                yield block[passed:]
            passed = max(0, passed - len(block))


def _refuse_end() -> bytes:
    raise FetchError("what is sent ends before its last byte")


def _one_behind(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each block when the next one is there, or the end is."""
    before = b""
    for block in blocks:
        if before:
            yield before
        before = block
    if before:
        yield before
