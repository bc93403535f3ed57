"""What a Debian archive offers at one moment, read from its signed indexes."""

import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.build.artifact import Artifact
from pipeline.build.ecosystems.debian.index import Universe
from pipeline.build.ecosystems.debian.keyring import Keyring, given_keyring, pinned_keyring
from pipeline.build.ecosystems.debian.release import Release, check_time, read_release
from pipeline.build.ecosystems.debian.unpack import Inflated
from pipeline.build.fetch import Fetcher
from pipeline.build.sources import mirrored_archives
from pipeline.declare.errors import (
    ArchiveError,
    FetchError,
    LockError,
    MissingError,
    NamedError,
    PackageError,
    SpecError,
)
from pipeline.declare.reasons import Reason
from pipeline.declare.validate import near
from pipeline.registry.access import shown

_RELEASE_LIMIT = 8 << 20
_INDEX_LIMIT = 1 << 30
_COMPRESSIONS = (".xz", ".gz", "")
_WRONG_INDEX = "the archive itself was made wrong: tell whoever keeps it, or name another one in `mirror:`"
_SNAPSHOT = re.compile(r"/(\d{8}T\d{6}Z)(?:/|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianRequest:
    """What a spec asks of a Debian archive.

    Args:
        suite: ``bookworm`` and the like; its ``-updates`` and ``-security`` are read too.
        packages: names, each perhaps as ``name=version`` or ``name (>= version)``.
        architecture: ``amd64`` and the like.
        components: parts of the archive.
        mirror: the base URL of the archive, asked instead of the machine's own; None for those.
        keys: OpenPGP certificates that count instead of Debian's; for an archive of one's own.
    """

    suite: str
    packages: tuple[str, ...]
    architecture: str
    components: tuple[str, ...] = ("main",)
    mirror: str | None = None
    keys: tuple[bytes, ...] = ()


def read_universe(request: DebianRequest, fetcher: Fetcher, *, now: datetime) -> Universe:
    """Return all that an archive offers at this moment; the request's ``packages`` do not matter.

    Costs about a second of CPU and 100 MiB for a Debian suite; indexes that did not change come from the cache.

    Raises:
        ArchiveError, FetchError, SpecError: as ``lock_debian`` does.
    """
    universe = Universe(request.architecture)
    for release, base in _releases(request, fetcher, now):
        for packages in _packages(request, fetcher, release, base):
            universe.add(release.archive, packages)
    return universe


def _releases(request: DebianRequest, fetcher: Fetcher, now: datetime) -> Iterator[tuple[Release, str]]:
    """Yield the proven index of each pocket, with the base URL that it came from."""
    pockets = (("debian", ""), ("debian", "-updates"), ("debian-security", "-security"))
    for archive, suffix in pockets:
        keyring = given_keyring(request.keys) if request.keys else pinned_keyring(request.suite, archive)
        try:
            release, base = _release(request, fetcher, keyring, archive=archive, suite=request.suite + suffix, now=now)
        except MissingError as error:
            # Debian's own suites have all three; an archive of one's own need not.
            if suffix and request.keys:
                continue
            raise NamedError(
                f"cannot read the index of {request.suite}{suffix}: {error.message}",
                hint=f"is {request.suite!r} a suite of this mirror?",
                named=request.suite,
                key="debian",
            ) from error
        yield release, base


def _release(
    request: DebianRequest, fetcher: Fetcher, keyring: Keyring, *, archive: str, suite: str, now: datetime
) -> tuple[Release, str]:
    path = f"dists/{suite}/InRelease"
    message, url = _read_first(fetcher, _urls(request, fetcher, archive, path))
    where = shown(url)
    _refuse_page(message, where)
    release = read_release(message, keyring, archive=archive, suite=suite, where=where)
    base = url.removesuffix(f"/{path}")
    note = f"release-{suite}-{hashlib.sha256(shown(base).encode()).hexdigest()[:16]}"
    seen = fetcher.cache.recall(note).decode("ascii", "replace")
    check_time(release, now=_time_of(base, now), seen=datetime.fromisoformat(seen) if seen else None, where=where)
    fetcher.cache.remember(note, release.date.isoformat().encode())
    fetcher.indexes[f"{archive}:{path}"] = message
    return release, base


def _refuse_page(message: bytes, where: str) -> None:
    """Tell a web page from an index that somebody changed: it is what networks answer that want a log-in."""
    if message.lstrip()[:1] == b"<":
        raise ArchiveError(
            f"{where}: is a web page, and no index of an archive",
            hint="open it in a browser: the network may want a log-in; else correct `mirror:`",
            reason=Reason.WEB_PAGE,
        )


def _urls(request: DebianRequest, fetcher: Fetcher, archive: str, path: str) -> tuple[str, ...]:
    named = mirrored_archives(request.mirror) if request.mirror else {}
    if archive in named:
        return (f"{named[archive]}/{path}",)
    if request.keys and request.mirror:
        return ()  # an archive of one's own has no part in Debian's
    return fetcher.sources.debian_urls(archive, path)


def _read_first(fetcher: Fetcher, urls: Iterable[str]) -> tuple[bytes, str]:
    hint = "check the network and `mirror:`; without one, the machine's own apt configuration names the mirrors"
    problem: FetchError = MissingError("no place is known that could have it", hint=hint)
    for url in urls:
        try:
            return fetcher.read(url, _RELEASE_LIMIT), url
        except FetchError as error:
            problem = type(error)(error.message, hint=error.hint or hint)
    raise problem


def _time_of(base: str, now: datetime) -> datetime:
    """Return the time at which ``Valid-Until`` is judged: for a snapshot that was asked for, the snapshot's."""
    match = _SNAPSHOT.search(base)
    if match is None:
        return now
    return min(now, datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC))


def _packages(request: DebianRequest, fetcher: Fetcher, release: Release, base: str) -> Iterator[bytes]:
    """Yield the ``Packages`` files of one pocket, unpacked."""
    architectures = release.fields.get("architectures", "").split()
    if request.architecture not in architectures:
        raise NamedError(
            f"{release.suite} has no architecture {request.architecture!r}; it has {' '.join(architectures)}",
            named=request.architecture,
            key="architectures",
        )
    for component in request.components:
        for folder in release.indexes(component, request.architecture):
            path = f"{'/'.join(folder)}/Packages"
            suffix = next((one for one in _COMPRESSIONS if release.find(path + one) is not None), None)
            artifact = release.find(path + suffix) if suffix is not None else None
            if suffix is not None and artifact is not None:
                yield _unpacked(fetcher, release, base, (path, suffix), artifact)
            elif release.suite == request.suite:
                raise _no_index(release, component, path)


def _no_index(release: Release, component: str, path: str) -> LockError | SpecError:
    components = release.fields.get("components", "").split()
    if component not in components:
        message = f"{release.suite} has no component {component!r}; it has {' '.join(components)}"
        return NamedError(message, hint=near(component, components), named=component, key="components")
    return ArchiveError(
        f"the InRelease of {release.suite} lists no SHA-256 or SHA-512 of {path}, and weaker hashes are refused",
        hint=_WRONG_INDEX,
        reason=Reason.INDEX_WEAK,
    )


def _unpacked(fetcher: Fetcher, release: Release, base: str, file: tuple[str, str], artifact: Artifact) -> bytes:
    path, suffix = file
    # A mirror may keep no by-hash folder, and may be amid an update: the hash decides in both cases.
    urls = (f"{base}/{artifact.path}", f"{base}/dists/{release.suite}/{path}{suffix}")
    try:
        compressed = fetcher.fetch(artifact, urls=tuple(dict.fromkeys(urls)))
    except FetchError as error:
        message = error.message.removeprefix(f"cannot fetch {artifact.source}: ")
        raise type(error)(
            f"cannot read the index of {release.suite}: {message}",
            hint="the mirror may be amid an update: try again in some minutes, or another mirror",
        ) from error
    listed = release.size(path)
    limit = listed if listed is not None else _INDEX_LIMIT
    try:
        content = Inflated(
            io.BytesIO(compressed.read_bytes()), suffix, limit, f"{release.suite}: {path}{suffix}"
        ).read()
    except PackageError as error:
        raise ArchiveError(error.message, hint=_WRONG_INDEX) from error
    if listed is not None and len(content) != listed:
        raise ArchiveError(
            f"{release.suite}: {path}{suffix} unpacks to {len(content)} bytes, and {listed} are listed",
            hint=_WRONG_INDEX,
            reason=Reason.INDEX_SIZE,
        )
    return content
