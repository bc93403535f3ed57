"""Locking Debian packages: signed indexes in, exact files out."""

import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.build.artifact import Artifact, LockedPackage
from pipeline.build.ecosystems.debian.deb import read_deb
from pipeline.build.ecosystems.debian.index import Candidate, Universe
from pipeline.build.ecosystems.debian.keyring import Keyring, given_keyring, pinned_keyring
from pipeline.build.ecosystems.debian.relations import Relation, parse_relations
from pipeline.build.ecosystems.debian.release import Release, check_time, read_release
from pipeline.build.ecosystems.debian.resolve import resolve
from pipeline.build.ecosystems.debian.unpack import Inflated
from pipeline.build.fetch import Fetcher
from pipeline.build.sources import mirrored_archives, shown
from pipeline.declare.errors import ArchiveError, FetchError, LockError, MissingError, PackageError, SpecError

_RELEASE_LIMIT = 8 << 20
_INDEX_LIMIT = 1 << 30
_COMPRESSIONS = (".xz", ".gz", "")
_SNAPSHOT = re.compile(r"/(\d{8}T\d{6}Z)(?:/|$)")
_PINNED_REQUEST = re.compile(r"(?P<name>[^=\s(]+)=(?P<version>[^=\s]+)")


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


def lock_debian(
    request: DebianRequest,
    fetcher: Fetcher,
    *,
    now: datetime,
    installed: tuple[LockedPackage, ...] = (),
    keep: tuple[LockedPackage, ...] = (),
) -> tuple[LockedPackage, ...]:
    """Return the packages that a working system with everything asked for needs, by name.

    The essential packages are among them, and nothing that is only recommended.

    Args:
        request: what is asked for.
        fetcher: reads the archive; built with the same mirror.
        now: the time of locking: an index that expired before it is refused.
        installed: packages that are there already, as the image's when its suite is locked. They keep their version,
            and are not returned.
        keep: packages of an earlier lock: where one is needed, it stays at that version.

    Raises:
        ResolveError: no set of packages satisfies the request.
        ArchiveError: an index has no good signature, has expired, or is older than one seen before.
        FetchError: the archive cannot be read.
        SpecError: the request names a suite, component, architecture or key that does not exist.
    """
    universe = Universe(request.architecture)
    for release, url in _releases(request, fetcher, now):
        for packages in _packages(request, fetcher, release, url):
            universe.add(release.archive, packages)
    for candidate in _candidates(universe, fetcher, keep):
        universe.keep(candidate)
    wanted = tuple(_wanted(universe, text) for text in request.packages)
    there = _candidates(universe, fetcher, installed)
    for candidate in there:
        universe.keep(candidate)
    found = resolve(universe, wanted, installed=there)
    earlier = {(package.name, package.version): package for package in keep}
    return tuple(earlier.get((candidate.name, candidate.version)) or candidate.locked() for candidate in found)


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
            raise FetchError(
                f"cannot read the index of {request.suite}{suffix}: {error.message}",
                hint=f"is {request.suite!r} a suite of this mirror?",
            ) from error
        yield release, base


def _release(
    request: DebianRequest, fetcher: Fetcher, keyring: Keyring, *, archive: str, suite: str, now: datetime
) -> tuple[Release, str]:
    path = f"dists/{suite}/InRelease"
    message, url = _read_first(fetcher, _urls(request, fetcher, archive, path))
    where = shown(url)
    release = read_release(message, keyring, archive=archive, suite=suite, where=where)
    base = url.removesuffix(f"/{path}")
    note = f"release-{suite}-{hashlib.sha256(shown(base).encode()).hexdigest()[:16]}"
    seen = fetcher.cache.recall(note).decode("ascii", "replace")
    check_time(release, now=_time_of(base, now), seen=datetime.fromisoformat(seen) if seen else None, where=where)
    fetcher.cache.remember(note, release.date.isoformat().encode())
    return release, base


def _urls(request: DebianRequest, fetcher: Fetcher, archive: str, path: str) -> tuple[str, ...]:
    named = mirrored_archives(request.mirror) if request.mirror else {}
    if archive in named:
        return (f"{named[archive]}/{path}",)
    if request.keys and request.mirror:
        return ()  # an archive of one's own has no part in Debian's
    return fetcher.sources.debian_urls(archive, path)


def _read_first(fetcher: Fetcher, urls: Iterable[str]) -> tuple[bytes, str]:
    problem: FetchError = MissingError("no place is known that could have it")
    for url in urls:
        try:
            return fetcher.read(url, _RELEASE_LIMIT), url
        except FetchError as error:
            problem = error
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
        raise SpecError(
            f"{release.suite} has no architecture {request.architecture!r}; it has {' '.join(architectures)}"
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
        return SpecError(f"{release.suite} has no component {component!r}; it has {' '.join(components)}")
    return ArchiveError(
        f"the InRelease of {release.suite} lists no SHA-256 or SHA-512 of {path}, and weaker hashes are refused"
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
        raise ArchiveError(error.message) from error
    if listed is not None and len(content) != listed:
        raise ArchiveError(f"{release.suite}: {path}{suffix} unpacks to {len(content)} bytes, and {listed} are listed")
    return content


def _candidates(universe: Universe, fetcher: Fetcher, packages: Iterable[LockedPackage]) -> tuple[Candidate, ...]:
    """Return locked packages as candidates; the .deb itself tells what the archive no longer lists."""
    found = []
    for package in packages:
        listed = (one for one in universe.versions(package.name) if one.version == package.version)
        candidate = next(listed, None) or _from_file(fetcher, package)
        found.append(candidate)
    return tuple(found)


def _from_file(fetcher: Fetcher, package: LockedPackage) -> Candidate:
    deb = read_deb(fetcher.fetch(package.artifact))
    if (deb.control.get("package"), deb.control.get("version")) != (package.name, package.version):
        raise LockError(f"{package.artifact.source}: holds another package than {package.name} {package.version}")
    return Candidate(
        name=package.name,
        version=package.version,
        architecture=package.architecture,
        archive=package.artifact.archive,
        fields=deb.control,
    )


def _wanted(universe: Universe, text: str) -> Relation:
    """Return what a package entry of a spec asks for; a version that is not the newest is made the candidate."""
    match = _PINNED_REQUEST.fullmatch(text.strip())
    if match is not None:
        text = f"{match['name']} (= {match['version']})"
    try:
        groups = parse_relations(text)
    except LockError as error:
        raise SpecError(f"{text!r} names no Debian package: {error.message}") from error
    if len(groups) != 1 or len(groups[0]) != 1:
        raise SpecError(f"{text!r} must name one Debian package")
    relation = groups[0][0]
    if relation.relation == "=":
        for candidate in universe.versions(relation.name):
            if relation.admits(candidate.version):
                universe.keep(candidate)
                break
    return relation
