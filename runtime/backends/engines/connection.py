"""What goes over an engine's connection: streams in frames, archives in chunks, and refusals."""

import io
import os
import struct
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from runtime.errors import BackendError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK = 1 << 16


def distribute(connection: Any, writers: tuple[int, int]) -> None:  # noqa: ANN401 - the SDK gives what it has
    """Hand each frame on to its stream until the engine closes the connection, and close it too.

    Source: Docker Engine API 1.41, ``ContainerAttach``, "Stream format": the number of the stream in the first of four
    bytes, and the length in four more.
    """
    files = dict(zip((1, 2), (os.fdopen(each, "wb", buffering=0) for each in writers), strict=True))
    try:
        while len(head := _read(connection, 8)) == 8:
            kind, size = struct.unpack("!B3xI", head)
            while size and (chunk := _read(connection, min(size, _CHUNK))):
                files[kind].write(chunk)
                size -= len(chunk)
    except OSError:
        pass  # the connection is gone, and what there was has been handed on
    finally:
        for file in files.values():
            file.close()
        _close(connection)


def _read(connection: Any, size: int) -> bytes:  # noqa: ANN401 - likewise
    got = b""
    while len(got) < size and (chunk := connection.read(size - len(got))):
        got += chunk
    return got


def _close(connection: Any) -> None:  # noqa: ANN401 - likewise
    """Close what the SDK gave, and the socket below it, which the SDK closes nowhere."""
    below = getattr(connection, "_sock", None)
    connection.close()
    if below is not None:
        below.close()


class ChunkFile(io.RawIOBase):
    """The chunks of a response as a file that can be read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Give what is left of a chunk, or the next one."""
        view = memoryview(buffer).cast("B")
        self._left = self._left or next(self._chunks, b"")
        got, self._left = self._left[: len(view)], self._left[len(view) :]
        view[: len(got)] = got
        return len(got)


class Told:
    """Says what an engine refused in our words."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        from docker.errors import DockerException  # noqa: PLC0415 - the SDK is large
        from requests import RequestException  # noqa: PLC0415 - likewise

        if isinstance(error, DockerException | RequestException):
            explanation = getattr(error, "explanation", None) or error
            raise BackendError(f"{self._name} refuses: {explanation}") from error
