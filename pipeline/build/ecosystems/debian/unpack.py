"""Decompression with a limit: streams of gzip, xz and zstd whose author is not trusted."""

import gzip
import io
import lzma
import zlib
from typing import IO

from pipeline.declare.errors import PackageError
from pipeline.declare.reasons import Reason

_BLOCK = 1 << 18
_MEMORY = 512 << 20


class Window(io.RawIOBase):
    """A part of a file as a file of its own.

    Args:
        file: the whole; its position is moved.
        start: where the part begins.
        size: how long it is.
    """

    def __init__(self, file: io.BufferedReader, start: int, size: int) -> None:
        super().__init__()
        self._file = file
        self._start = start
        self._at = start
        self._end = start + size

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, which may lie behind the end, and return it."""
        base = {io.SEEK_SET: self._start, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence]
        self._at = max(self._start, base + offset)
        return self._at - self._start

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._at - self._start

    def read(self, size: int = -1) -> bytes:
        """Return at most ``size`` of the next bytes; empty at the end."""
        left = max(0, self._end - self._at)
        self._file.seek(self._at)
        data = self._file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data


class Inflated(io.RawIOBase):
    """The content of a compressed stream, for sequential reading.

    Args:
        source: the compressed bytes.
        suffix: ``.gz``, ``.xz`` or ``.zst``; empty for a stream that is not compressed.
        limit: the most bytes that may come out.
        name: what messages call it.

    Raises:
        PackageError: the suffix is another one, and when read: the stream is damaged, longer than ``limit``, or wants
            more than 512 MiB of memory.
    """

    def __init__(self, source: IO[bytes] | io.RawIOBase, suffix: str, limit: int, name: str) -> None:
        super().__init__()
        self._name = name
        self._limit = limit
        self._left = limit
        self._errors: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error, lzma.LZMAError)
        self._stream: IO[bytes] | io.RawIOBase
        match suffix:
            case "":
                self._stream = source
            case ".gz":
                self._stream = gzip.GzipFile(fileobj=source, mode="rb")  # type: ignore[assignment]
            case ".xz":
                self._stream = _Xz(source)
            case ".zst":
                import zstandard  # noqa: PLC0415 - a native library that few packages need

                self._errors += (zstandard.ZstdError,)
                decompressor = zstandard.ZstdDecompressor(max_window_size=_MEMORY)
                self._stream = decompressor.stream_reader(source, read_across_frames=True)  # type: ignore[arg-type]
            case _:
                raise PackageError(f"{name}: the compression {suffix!r} is not known; known are .gz, .xz and .zst")

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return at most ``size`` of the next bytes, perhaps fewer; empty at the end. Without a size: all the rest."""
        if size < 0:
            return b"".join(iter(lambda: self.read(_BLOCK), b""))
        try:
            data = self._stream.read(size) or b""
        except self._errors as error:
            raise PackageError(f"{self._name} is damaged: {error}", reason=Reason.DEB_DAMAGED) from error
        self._left -= len(data)
        if self._left < 0:
            message = f"{self._name} unpacks to more than {self._limit} bytes, which is refused"
            raise PackageError(message, reason=Reason.UNPACKED_SIZE)
        return data


class _Xz(io.RawIOBase):
    """An xz file of one or more streams, read with a memory limit, which lzma.LZMAFile does not have."""

    def __init__(self, source: IO[bytes] | io.RawIOBase) -> None:
        super().__init__()
        self._source = source
        self._decompressor = _decompressor()
        self._input = b""

    def read(self, size: int = -1) -> bytes:
        while True:
            if self._decompressor.eof and not self._next_stream():
                return b""
            if self._decompressor.needs_input and not self._input:
                self._input = self._source.read(_BLOCK) or b""
                if not self._input:
                    raise EOFError("it ends early")
            data = self._decompressor.decompress(self._input, max_length=size)
            self._input = b""
            if data:
                return data

    def _next_stream(self) -> bool:
        """Begin the stream after this one; zeros between streams are padding."""
        rest = self._decompressor.unused_data or self._source.read(_BLOCK) or b""
        while rest and not (rest := rest.lstrip(b"\0")):
            rest = self._source.read(_BLOCK) or b""
        if not rest:
            return False
        self._decompressor = _decompressor()
        self._input = rest
        return True


def _decompressor() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_MEMORY)
