"""The bytes of packages: from the cache by hash, else from the first place that has the right ones."""

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from pipeline.build.artifact import Artifact
from pipeline.build.cache import Cache
from pipeline.build.sources import PUBLIC_ARCHIVES, Sources
from pipeline.declare.errors import FetchError, MissingError
from pipeline.registry.access import shown
from pipeline.registry.answers import TransientError
from pipeline.registry.http import Connections

T = TypeVar("T")

if TYPE_CHECKING:
    from pipeline.build.vendor import Vendored

Locate: TypeAlias = Callable[[Artifact, "Fetcher"], tuple[str, ...]]
"""Finds the URLs of an artifact of one archive, the best first."""

THREADS = 4
"""Downloads at once: few, since public archives limit the connections of a client."""

_MOVED = "see whether its server has another version there now, and write its URL and `sha256:` in the spec"

_PAUSES = (0.5, 1.0, 2.0)
"""Seconds between rounds over all places of one file: four rounds in all."""


class Fetcher(AbstractContextManager["Fetcher"]):
    """Fetches artifacts into a cache; safe to use from several threads, and beside other processes.

    A cache hit needs no network, no import of a network library and no hashing.

    Args:
        cache: the folder of downloaded files; it is made when the first file is.
        sources: where archives are reached.
        locate: for archives that are not Debian's, how to find an artifact's URLs.
        snapshot: the lock's time, for which the archive's public snapshot is asked last; None asks no snapshot.
        vendored: the artifact in a registry that has what the lock names, asked before all archives; None for none.
        pause: waits some seconds between rounds.

    Attributes:
        connections: those that it has open, for what is no artifact.
        indexes: the signed indexes that were read and proven, by archive and path as ``debian:dists/…``.
    """

    def __init__(
        self,
        cache: Path,
        sources: Sources,
        *,
        locate: Mapping[str, Locate] | None = None,
        snapshot: datetime | None = None,
        vendored: "Vendored | None" = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.cache = Cache(cache)
        self.sources = sources
        self._locate = dict(locate or {})
        self._snapshot = snapshot
        self._vendored = vendored
        self.indexes: dict[str, bytes] = {}
        self._pause = pause
        self.connections = Connections(sources.access, size=THREADS)
        self._stopped = threading.Event()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self.connections.close()

    def fetch(self, artifact: Artifact, *, urls: Sequence[str] = ()) -> Path:
        """Return a file that holds exactly the artifact's bytes; do not change it.

        Args:
            artifact: what to fetch.
            urls: where it is, if the caller knows; else the places of its archive are asked.

        Raises:
            FetchError: no place has them; the message names the artifact and what each place answered.
            MissingError: likewise, and every place says that it has no such file.
        """
        found = self.cache.find(artifact)
        if found is not None:
            return found
        kept, problem = self._kept(artifact)
        if kept is not None:
            return kept
        try:
            return self._first(urls or self._urls(artifact), lambda url: self._download(url, artifact))
        except FetchError as error:
            message = f"cannot fetch {artifact.source}: {problem}{error.message}"
            raise type(error)(message, hint=error.hint or _upgrade(artifact)) from error

    def fetch_all(
        self, artifacts: Iterable[Artifact], progress: Callable[[Artifact], None] | None = None
    ) -> tuple[Path, ...]:
        """Return the files of all artifacts, in their order; at most ``THREADS`` downloads run at once.

        Args:
            artifacts: what to fetch; one that is named twice is fetched once.
            progress: called in the caller's thread each time that a further artifact is there, in any order.

        Raises:
            FetchError: as ``fetch`` does, for the first one that failed; no other is begun after that.
        """
        listed = tuple(artifacts)
        wanted = {artifact.hash: artifact for artifact in listed}
        paths: dict[str, Path] = {}
        with contextlib.closing(self._all(tuple(wanted.values()))) as arriving:
            for key, path in arriving:
                paths[key] = path
                if progress is not None:
                    progress(wanted[key])
        return tuple(paths[artifact.hash] for artifact in listed)

    def pin(self, source: str, wanted: str, url: str, *, most: int) -> Artifact:
        """Return the pin of a file of which nobody but its server knows the size; the file is in the cache afterwards.

        Args:
            source: how a lock names it.
            wanted: its hash.
            url: where it is.
            most: bytes that it may have.

        Raises:
            FetchError: it cannot be had, or is another file.
            LockError: ``source`` or ``wanted`` is none.
        """
        found = self.cache.pinned(source, wanted)
        if found is not None:
            return found

        def download(url: str) -> Artifact:
            with self.connections.open(url) as blocks:
                return self.cache.put_unsized(source, wanted, self._until_stopped(blocks), most=most)

        try:
            return self._first((url,), download)
        except FetchError as error:
            raise type(error)(f"cannot fetch {error.message}", hint=error.hint or _MOVED) from error

    def read(self, url: str, limit: int, *, accept: str = "*/*") -> bytes:
        """Return what ``url`` holds, for indexes and the like: never cached, never more than ``limit`` bytes.

        Raises:
            MissingError: the server says that there is no such file.
            FetchError: anything else went wrong, after some tries.
        """
        return self.read_any((url,), limit, accept=accept)

    def read_any(self, urls: Sequence[str], limit: int, *, accept: str = "*/*") -> bytes:
        """Return what the first of ``urls`` that answers holds; in everything else as ``read``."""
        return self._first(urls, lambda url: self.connections.read(url, limit, accept=accept))

    def _all(self, wanted: Sequence[Artifact]) -> Generator[tuple[str, Path], None, None]:
        missing = []
        for artifact in wanted:
            found = self.cache.find(artifact)
            if found is None:
                missing.append(artifact)
            else:
                yield artifact.hash, found
        if missing:
            yield from self._all_missing(missing)

    def _all_missing(self, missing: Sequence[Artifact]) -> Generator[tuple[str, Path], None, None]:
        from concurrent.futures import ThreadPoolExecutor, as_completed  # noqa: PLC0415 - a full cache needs none

        self._stopped.clear()
        with ThreadPoolExecutor(THREADS, thread_name_prefix="fetch") as executor:
            futures = {executor.submit(self.fetch, artifact): artifact for artifact in missing}
            try:
                for future in as_completed(futures):
                    yield futures[future].hash, future.result()
            finally:
                # After a failure or an interrupt the running downloads end at their next block.
                self._stopped.set()
                executor.shutdown(wait=True, cancel_futures=True)
                self._stopped.clear()

    def _kept(self, artifact: Artifact) -> tuple[Path | None, str]:
        """Return the file that the vendored artifact has, or what it answered."""
        if self._vendored is None:
            return None, ""
        try:
            with self._vendored.open(artifact, self.connections) as blocks:
                return self.cache.put(artifact, self._until_stopped(blocks)), ""
        except FetchError as error:
            return None, f"{self._vendored.reference}: {error.message}; "

    def _urls(self, artifact: Artifact) -> tuple[str, ...]:
        locate = self._locate.get(artifact.archive)
        if locate is not None:
            return locate(artifact, self)
        if artifact.archive not in PUBLIC_ARCHIVES:
            raise FetchError(f"nothing here knows the archive {artifact.archive!r}")
        return self.sources.debian_urls(artifact.archive, artifact.path, self._snapshot)

    def _download(self, url: str, artifact: Artifact) -> Path:
        with self.connections.open(url) as blocks:
            return self.cache.put(artifact, self._until_stopped(blocks))

    def _until_stopped(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            if self._stopped.is_set():
                raise FetchError("the download was stopped")
            yield block

    def _first(self, urls: Sequence[str], attempt: Callable[[str], T]) -> T:
        """Return the first success, going round all places again while one may still answer."""
        problems: dict[str, FetchError] = {}
        left = tuple(urls)
        for pause in (*_PAUSES, None):
            for url in left:
                try:
                    return attempt(url)
                except FetchError as error:
                    problems[url] = error
            left = tuple(url for url in left if isinstance(problems[url], TransientError))
            if not left or pause is None or self._stopped.is_set():
                break
            self._pause(pause)
        raise _summary(problems)


def _summary(problems: Mapping[str, FetchError]) -> FetchError:
    if not problems:
        return MissingError("no place is known that could have it")
    text = "; ".join(f"{shown(url)}: {error.message}" for url, error in problems.items())
    hint = next((error.hint for error in problems.values() if error.hint), "")
    if all(isinstance(error, MissingError) for error in problems.values()):
        return MissingError(text, hint=hint)
    return FetchError(text, hint=hint)


def _upgrade(artifact: Artifact) -> str:
    if artifact.archive == "url":
        return _MOVED
    if artifact.archive == "npm":
        return f"seatrial lock --upgrade {artifact.path.rpartition('@')[0]}"
    package = artifact.name.partition("_" if artifact.archive in PUBLIC_ARCHIVES else "-")[0]
    return f"seatrial lock --upgrade {package}"
