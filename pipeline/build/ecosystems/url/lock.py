"""Pin a file that a spec names by its URL: the spec says its SHA-256, the lock adds its size, and no credentials."""

from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from pipeline.build.artifact import LockedPackage
from pipeline.build.fetch import Fetcher
from pipeline.declare.errors import LockError
from pipeline.declare.image import UrlFile
from pipeline.registry.access import shown

ARCHIVE = "url"
"""What the source of such a file begins with."""

MOST = 4 << 30
"""Bytes of one file: before it is there, its server alone says how long it is."""


def lock_url(entry: UrlFile, fetcher: Fetcher, old: Sequence[LockedPackage]) -> LockedPackage:
    """Return the pin of a file; one that was not locked before is in the cache afterwards.

    Args:
        entry: names it.
        fetcher: reaches its server.
        old: what an older lock has.

    Raises:
        FetchError: it cannot be had, or has another hash than the spec says.
        LockError: its URL has what no source in a lock can have.
    """
    source, wanted = source_of(entry), f"sha256:{entry.sha256}"
    known = next((each for each in old if (each.artifact.source, each.artifact.hash) == (source, wanted)), None)
    if known is not None:
        return known
    try:
        artifact = fetcher.pin(source, wanted, entry.url, most=MOST)
    except LockError as error:
        hint = "write it with escapes, and without '..'"
        raise LockError(f"no lock can name {shown(entry.url)}: {error.message}", hint=hint) from error
    return LockedPackage(name=file_name(entry), version="", architecture="", artifact=artifact)


def source_of(entry: UrlFile) -> str:
    """Return how a lock names the file: by its URL without user, query and fragment."""
    return f"{ARCHIVE}:{shown(entry.url)}"


def file_name(entry: UrlFile) -> str:
    """Return the file's own name: the end of the URL's path, or the server's name where it has none."""
    parts = urlsplit(entry.url)
    return unquote(parts.path).rpartition("/")[2] or str(parts.hostname)
