"""The cache of downloaded files, keyed by hash: a file in it has the bytes that its name says."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pipeline.build.artifact import Artifact
from pipeline.declare.errors import FetchError
from pipeline.declare.reasons import Reason
from runtime.oci import temporary

_BLOCK = 1 << 20


class Cache:
    """A folder of files by hash; safe to use from several threads and processes.

    A file is hashed when it is put, and trusted while its size, time and inode stay: the stamp beside it says which
    they were. A changed file is hashed again when it is asked for.

    Args:
        folder: it is made when the first file is put.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, artifact: Artifact) -> Path | None:
        """Return the artifact's file if it is here and whole, else None."""
        path = self._path(artifact)
        try:
            state = path.stat()
        except OSError:
            return None
        if state.st_size != artifact.size:
            return None
        if _text(_stamp_path(path)) == _stamp(state):
            return path
        try:
            with path.open("rb") as file:
                actual = hashlib.file_digest(file, artifact.hash.partition(":")[0]).hexdigest()
        except OSError:
            return None
        if artifact.hash.partition(":")[2] != actual:
            return None
        self._write(_stamp_path(path), _stamp(state).encode())
        return path

    def put(self, artifact: Artifact, blocks: Iterable[bytes]) -> Path:
        """Write the artifact's bytes and return their file, atomically; the disk has them when this returns.

        Raises:
            FetchError: the bytes are not the artifact's, or the disk takes no more; nothing is kept of them.
        """
        target = self._path(artifact)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._write(target, _verified(artifact, blocks))
            self._write(_stamp_path(target), _stamp(target.stat()).encode())
        except OSError as error:
            raise self._unwritten(error) from error
        return target

    def pinned(self, source: str, wanted: str) -> Artifact | None:
        """Return the pin of a file of which the hash alone is known, if it is here and whole, else None."""
        pin = Artifact(source=source, size=0, hash=wanted)
        try:
            pin = replace(pin, size=self._path(pin).stat().st_size)
        except OSError:
            return None
        return pin if self.find(pin) else None

    def put_unsized(self, source: str, wanted: str, blocks: Iterable[bytes], *, most: int) -> Artifact:
        """Write a file whose size nobody knew, as ``put`` does, and return its pin.

        Args:
            source: as of ``Artifact``.
            wanted: its hash, as of ``Artifact``.
            blocks: its bytes.
            most: how many these may be.

        Raises:
            FetchError: it has another hash, is longer, or the disk takes no more; nothing is kept of it.
        """
        limit = Artifact(source=source, size=most, hash=wanted)
        target = self._path(limit)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._write(target, _hashed(limit, blocks))
            self._write(_stamp_path(target), _stamp(target.stat()).encode())
            return replace(limit, size=target.stat().st_size)
        except OSError as error:
            raise self._unwritten(error) from error

    def remember(self, name: str, content: bytes) -> None:
        """Keep a small note under ``name``, atomically, in place of an earlier one.

        Raises:
            FetchError: the disk takes no more; an earlier note stays.
        """
        path = self.folder / "notes" / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write(path, content)
        except OSError as error:
            raise self._unwritten(error) from error

    def recall(self, name: str) -> bytes:
        """Return the note that was kept under ``name``; empty if there is none."""
        try:
            return (self.folder / "notes" / name).read_bytes()
        except OSError:
            return b""

    def sweep(self) -> int:
        """Remove what killed processes left half-written, beside any living ones; return how many files that were."""
        return temporary.sweep(self._partial)

    def _unwritten(self, error: OSError) -> FetchError:
        return FetchError(
            f"cannot write to the cache {self.folder}: {error.strerror}",
            hint="free some space there, let this user write to it, or name another folder with --store",
        )

    @property
    def _partial(self) -> Path:
        return self.folder / "partial"

    def _path(self, artifact: Artifact) -> Path:
        algorithm, _, digits = artifact.hash.partition(":")
        return self.folder / algorithm / digits[:2] / digits

    def _write(self, target: Path, content: bytes | Iterable[bytes]) -> None:
        self._partial.mkdir(parents=True, exist_ok=True)
        temporary.write_whole(target, content, beside=self._partial)


def _verified(artifact: Artifact, blocks: Iterable[bytes]) -> Iterable[bytes]:
    """Pass blocks on while hashing them; a file that is too long is refused at its first byte too many."""
    algorithm, _, digits = artifact.hash.partition(":")
    strongest = hashlib.new(algorithm)
    second = hashlib.sha256() if artifact.sha256 and algorithm != "sha256" else None
    size = 0
    for block in blocks:
        size += len(block)
        if size > artifact.size:
            raise FetchError(f"it is longer than the locked {artifact.size} bytes", reason=Reason.FILE_LONG)
        strongest.update(block)
        if second is not None:
            second.update(block)
        yield block
    if size != artifact.size:
        raise FetchError(f"it has {size} bytes and {artifact.size} are locked", reason=Reason.FILE_SHORT)
    if strongest.hexdigest() != digits:
        message = f"its hash is {algorithm}:{strongest.hexdigest()} and {artifact.hash} is locked"
        raise FetchError(message, reason=Reason.FILE_HASH)
    if second is not None and second.hexdigest() != artifact.sha256:
        message = f"its hash is sha256:{second.hexdigest()} and sha256:{artifact.sha256} is locked"
        raise FetchError(message, reason=Reason.FILE_SHA256)


def _hashed(limit: Artifact, blocks: Iterable[bytes]) -> Iterable[bytes]:
    """Pass blocks on while hashing them; the file may have any size up to that of ``limit``."""
    algorithm, _, digits = limit.hash.partition(":")
    found = hashlib.new(algorithm)
    left = limit.size
    for block in blocks:
        left -= len(block)
        if left < 0:
            raise FetchError(f"it is longer than {limit.size} bytes", reason=Reason.FILE_LONG)
        found.update(block)
        yield block
    if found.hexdigest() != digits:
        message = f"its hash is {algorithm}:{found.hexdigest()} and {limit.hash} is wanted"
        raise FetchError(message, reason=Reason.FILE_HASH)


def _stamp_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.stamp")


def _stamp(state: os.stat_result) -> str:
    return f"{state.st_size} {state.st_mtime_ns} {state.st_ino}"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
