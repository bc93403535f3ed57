"""``Stream``: what a server sends, as a file that goes on where a connection ended."""

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pipeline.declare.errors import FetchError
from pipeline.registry.answers import TransientError
from pipeline.registry.retry import Patience

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PROGRESS = 1 << 20
"""Bytes that must have come since the last interruption, or it counts as one more failure."""


class Stream(io.RawIOBase):
    """Blocks of bytes as a file; closing it ends the request.

    Args:
        reopen: returns the blocks from an offset on.
        patience: between an interruption and going on.
        refused: returns the error that names what could not be read.

    Raises:
        FetchError: it cannot be opened; reading raises it too.
        StoreError: there is no such thing.
    """

    def __init__(
        self,
        reopen: Callable[[int], contextlib.AbstractContextManager[Iterator[bytes]]],
        patience: Patience,
        refused: Callable[[FetchError], FetchError],
    ) -> None:
        self._reopen = reopen
        self._patience = patience
        self._refused = refused
        self._stack = contextlib.ExitStack()
        self._offset = self._interrupted_at = self._failures = 0
        self._rest = b""
        self._blocks = self._stack.enter_context(reopen(0))

    def readable(self) -> bool:
        """Tell that it is."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read what has come by now."""
        self._rest = self._rest or self._next()
        with memoryview(buffer).cast("B") as view:
            taken = self._rest[: len(view)]
            view[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)

    def close(self) -> None:
        """End the request."""
        if not self.closed:
            self._stack.close()
        super().close()

    def _next(self) -> bytes:
        while True:
            try:
                block = next(self._blocks, b"")
            except TransientError as error:
                self._go_on(error)
            except FetchError as error:
                raise self._refused(error) from error
            else:
                self._offset += len(block)
                return block

    def _go_on(self, error: TransientError) -> None:
        self._stack.close()
        self._failures = 0 if self._offset >= self._interrupted_at + _PROGRESS else self._failures
        self._failures, self._interrupted_at = self._failures + 1, self._offset
        try:
            self._patience.wait(self._failures, error)
        except FetchError as last:
            raise self._refused(last) from error
        self._blocks = self._stack.enter_context(self._reopen(self._offset))
