"""Locking Debian packages: signed indexes in, exact files out."""

import re
from collections.abc import Iterable
from datetime import datetime

from pipeline.build.artifact import LockedPackage
from pipeline.build.ecosystems.debian.archive import DebianRequest, read_universe
from pipeline.build.ecosystems.debian.deb import read_deb
from pipeline.build.ecosystems.debian.index import Candidate, Universe
from pipeline.build.ecosystems.debian.relations import Relation, parse_relations
from pipeline.build.ecosystems.debian.resolve import UnmetError, resolve
from pipeline.build.fetch import Fetcher
from pipeline.declare.errors import LockError, NamedError

__all__ = ["DebianRequest", "lock_debian"]

_FORMS = "write a name, NAME=VERSION or NAME (>= VERSION)"
_PINNED_REQUEST = re.compile(r"(?P<name>[^=\s(]+)=(?P<version>[^=\s]+)")


def lock_debian(
    request: DebianRequest,
    fetcher: Fetcher,
    *,
    now: datetime,
    installed: tuple[LockedPackage, ...] = (),
    keep: tuple[LockedPackage, ...] = (),
    universe: Universe | None = None,
) -> tuple[LockedPackage, ...]:
    """Return the packages that a working system with everything asked for needs, by name.

    The essential packages are among them, and nothing that is only recommended.

    Args:
        request: what is asked for.
        fetcher: reads the archive; built with the same mirror.
        now: the time of locking: an index that expired before it is refused.
        installed: packages that are there already, as the image's when its suite is locked. They keep their version,
            and are not returned.
        keep: packages of an earlier lock: where one is needed, it stays at that version, unless something that is asked
            for needs another.
        universe: what ``read_universe`` gave for the same archive, so that an image and its suite see it at one moment;
            None reads it now.

    Raises:
        ResolveError: no set of packages satisfies the request.
        ArchiveError: an index has no good signature, has expired, or is older than one seen before.
        FetchError: the archive cannot be read.
        SpecError: the request names a suite, component, architecture or key that does not exist.
    """
    offer = universe if universe is not None else read_universe(request, fetcher, now=now)
    there = _candidates(offer, fetcher, installed)
    kept = {candidate.name: candidate for candidate in _candidates(offer, fetcher, keep)}
    found: tuple[Candidate, ...] | None = None
    while found is None:
        try:
            found = _resolved(offer.copy(), request, there, tuple(kept.values()))
        except UnmetError as error:
            # What stands in the way and has a newer version is chosen anew; each round frees at least one package.
            freed = [name for name in sorted(error.involved) if name in kept and _is_outdated(offer, kept[name])]
            if not freed:
                raise
            for name in freed:
                del kept[name]
    earlier = {(package.name, package.version): package for package in keep}
    return tuple(earlier.get((candidate.name, candidate.version)) or candidate.locked() for candidate in found)


def _resolved(
    universe: Universe, request: DebianRequest, there: tuple[Candidate, ...], kept: tuple[Candidate, ...]
) -> tuple[Candidate, ...]:
    for candidate in kept:
        universe.keep(candidate)
    wanted = tuple(_wanted(universe, text) for text in request.packages)
    for candidate in there:
        universe.keep(candidate)
    return resolve(universe, wanted, installed=there)


def _is_outdated(universe: Universe, candidate: Candidate) -> bool:
    newest = universe.newest(candidate.name)
    return newest is not None and newest.version != candidate.version


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
        message = f"{text!r} names no Debian package: {error.message}"
        raise NamedError(message, hint=_FORMS, named=text, key="packages") from error
    if len(groups) != 1 or len(groups[0]) != 1:
        raise NamedError(f"{text!r} must name one Debian package", hint=_FORMS, named=text, key="packages")
    relation = groups[0][0]
    if relation.relation == "=":
        for candidate in universe.versions(relation.name):
            if relation.admits(candidate.version):
                universe.keep(candidate)
                break
    return relation
