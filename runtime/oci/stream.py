"""``LayerStream``: the archive in a layer's blob, checked against both of its digests while it is read."""

import hashlib
import zlib
from typing import BinaryIO, Protocol

from runtime.digest import Digest
from runtime.oci.archive import Limits
from runtime.oci.descriptor import DOCKER_LAYER_GZIP, LAYER_GZIP, LAYER_TAR, LAYER_ZSTD, Descriptor
from runtime.oci.refusal import Refusal, RefusedError

# What one read can become is bounded by these: deflate expands 1032 times, zstd 32,768 times.
_CHUNK = 1 << 16
_CHUNK_ZSTD = 1 << 12
_WINDOW = 1 << 27  # bytes: zstd --long=27, what every reader accepts


class _Decompressor(Protocol):
    """One gzip member or one zstd frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class LayerStream:
    """The archive of a layer as a stream.

    What was read may be believed only after ``finish`` returned.

    Args:
        file: the blob.
        descriptor: its media type, digest and size.
        diff_id: the digest that the archive must have.
        limits: the caps on what comes out.
    """

    def __init__(self, file: BinaryIO, descriptor: Descriptor, diff_id: Digest, limits: Limits) -> None:
        self._file = file
        self._descriptor = descriptor
        self._diff_id = diff_id
        self._limits = limits
        self._compressed, self._plain = hashlib.sha256(), hashlib.sha256()
        self._in = self._out = 0
        self._ready = bytearray()
        self._rest = b""
        self._unit: _Decompressor | None = None
        if descriptor.media_type not in (LAYER_TAR, LAYER_GZIP, LAYER_ZSTD, DOCKER_LAYER_GZIP):
            raise RefusedError(
                Refusal.MEDIA_TYPE, f"layer {descriptor.digest} is {descriptor.media_type!r}, not accepted"
            )

    def read(self, size: int) -> bytes:
        """Return exactly ``size`` bytes of the archive, fewer only at its end.

        Raises:
            RefusedError: the blob is damaged, too long, or a bomb.
        """
        while len(self._ready) < size:
            part = self._next()
            if part is None:
                break
            self._ready += part
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken

    def finish(self) -> None:
        """Read what is left and compare sizes and digests.

        Raises:
            RefusedError: they are not what the manifest and the config say.
        """
        while self.read(_CHUNK):
            pass
        if self._in != self._descriptor.size:
            message = f"layer {self._descriptor.digest} has {self._in} bytes, its manifest says {self._descriptor.size}"
            raise RefusedError(Refusal.BLOB_SIZE, message)
        if self._compressed.hexdigest() != self._descriptor.digest.hex:
            message = f"layer {self._descriptor.digest} has the digest sha256:{self._compressed.hexdigest()}"
            raise RefusedError(Refusal.BLOB_DIGEST, message)
        if self._plain.hexdigest() != self._diff_id.hex:
            message = (
                f"the archive in layer {self._descriptor.digest} has the digest sha256:{self._plain.hexdigest()}, "
                f"its config says {self._diff_id}"
            )
            raise RefusedError(Refusal.DIFF_ID, message)

    def _next(self) -> bytes | None:
        data = self._rest or self._fetch()
        self._rest = b""
        if not data:
            if self._unit is not None:
                raise RefusedError(
                    Refusal.COMPRESSION, f"layer {self._descriptor.digest} ends inside its compressed data"
                )
            return None
        part = data if self._descriptor.media_type == LAYER_TAR else self._decompress(data)
        self._plain.update(part)
        self._out += len(part)
        self._check_size()
        return part

    def _fetch(self) -> bytes:
        data = self._file.read(_CHUNK_ZSTD if self._descriptor.media_type == LAYER_ZSTD else _CHUNK)
        self._compressed.update(data)
        self._in += len(data)
        if self._in > self._descriptor.size:
            message = (
                f"layer {self._descriptor.digest} is longer than the {self._descriptor.size} bytes of its manifest"
            )
            raise RefusedError(Refusal.BLOB_SIZE, message)
        return data

    def _decompress(self, data: bytes) -> bytes:
        self._unit = self._unit or self._begin(data)
        try:
            part = self._unit.decompress(data)
        except Exception as error:
            if not isinstance(error, zlib.error) and type(error).__name__ != "ZstdError":
                raise
            raise RefusedError(Refusal.COMPRESSION, f"layer {self._descriptor.digest} is damaged: {error}") from error
        if self._unit.eof:
            self._rest = self._unit.unused_data
            self._unit = None
        return part

    def _begin(self, data: bytes) -> _Decompressor:
        """Start the next member or frame. Many in a row are one stream; anything else after one is refused."""
        is_zstd = self._descriptor.media_type == LAYER_ZSTD
        magic = b"\x28\xb5\x2f\xfd" if is_zstd else b"\x1f\x8b"
        if not magic.startswith(data[: len(magic)]) and not data.startswith(magic):
            reason = Refusal.COMPRESSION_TRAILING if self._out else Refusal.COMPRESSION
            raise RefusedError(
                reason, f"layer {self._descriptor.digest} holds {data[:8].hex()} where compressed data begins"
            )
        if is_zstd:
            import zstandard  # noqa: PLC0415 - native, and few layers need it

            return zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
        return _Gzip()

    def _check_size(self) -> None:
        if self._out > self._limits.total:
            message = f"layer {self._descriptor.digest} unpacks to more than {self._limits.total} bytes"
            raise RefusedError(Refusal.TOTAL_SIZE, message)
        if self._out > self._limits.ratio_from and self._out > self._limits.ratio * self._in:
            message = f"layer {self._descriptor.digest} unpacks to more than {self._limits.ratio} times its size"
            raise RefusedError(Refusal.COMPRESSION_RATIO, message)


def prepare(descriptor: Descriptor) -> None:
    """Load what reading a layer takes: who reads it with other ids may not reach this interpreter's files."""
    if descriptor.media_type == LAYER_ZSTD:
        import zstandard  # noqa: F401, PLC0415 - native, and few layers need it


class _Gzip:
    """One gzip member, by the interpreter's zlib: reading has one right answer, whatever the version."""

    def __init__(self) -> None:
        self._state = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._state.eof

    @property
    def unused_data(self) -> bytes:
        return self._state.unused_data

    def decompress(self, data: bytes, /) -> bytes:
        return self._state.decompress(data)
