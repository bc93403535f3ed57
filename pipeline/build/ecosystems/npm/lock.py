"""``lock_npm``: what a ``node:`` of a spec is locked to."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.build.artifact import LockedPackage
from pipeline.build.ecosystems.npm.package_lock import Entry, read_package_lock
from pipeline.build.ecosystems.npm.registry import pin_all
from pipeline.build.ecosystems.npm.resolve import resolve_npm
from pipeline.build.fetch import Fetcher
from pipeline.build.modules import LockedModule
from pipeline.declare.image import NodePart


def lock_npm(
    part: NodePart,
    directory: Path,
    architecture: str,
    *,
    fetcher: Fetcher,
    old: Sequence[LockedModule],
    kept: Sequence[LockedPackage] = (),
) -> tuple[LockedModule, ...]:
    """Return the packages that a part of a spec asks for.

    Args:
        part: what is asked for.
        directory: of the spec.
        architecture: in Debian's words.
        fetcher: reaches the registry.
        old: of an older lock: what it knows of the same bytes is not asked again.
        kept: its packages that stay where they can.

    Raises:
        SpecFaults: a package-lock.json is refused.
        ResolveError: as of ``resolve_npm``.
        FetchError, PackageError: as of ``pin_all``.
    """
    skip = frozenset(part.skip_scripts)
    entries: tuple[Entry, ...]
    if part.project is not None:
        entries = read_package_lock(directory / part.project, architecture, dev=part.dev, skip_scripts=skip)
    else:
        entries = resolve_npm(part.packages, architecture, fetcher=fetcher, preferred=_versions(kept))
    return pin_all(entries, fetcher, old=old, skip_scripts=skip)


def _versions(kept: Sequence[LockedPackage]) -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for each in kept:
        found[each.name] = found.get(each.name, frozenset()) | {each.version}
    return found
