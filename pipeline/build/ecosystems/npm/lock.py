"""``lock_npm``: what a ``node:`` of a spec is locked to."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.build.ecosystems.npm.package_lock import Entry, read_package_lock
from pipeline.build.ecosystems.npm.registry import pin_all
from pipeline.build.fetch import Fetcher
from pipeline.build.modules import LockedModule
from pipeline.declare.image import NodePart


def lock_npm(
    part: NodePart, directory: Path, architecture: str, *, fetcher: Fetcher, old: Sequence[LockedModule]
) -> tuple[LockedModule, ...]:
    """Return the packages that a part of a spec asks for.

    Args:
        part: what is asked for.
        directory: of the spec.
        architecture: in Debian's words.
        fetcher: reaches the registry.
        old: of an older lock.

    Raises:
        SpecFaults: a package-lock.json is refused.
        FetchError, PackageError: as of ``pin_all``.
    """
    skip = frozenset(part.skip_scripts)
    entries: tuple[Entry, ...] = ()
    if part.project is not None:
        entries = read_package_lock(directory / part.project, architecture, dev=part.dev, skip_scripts=skip)
    return pin_all(entries, fetcher, old=old, skip_scripts=skip)
