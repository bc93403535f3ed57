"""The lock beside a spec: read and checked against it, or made."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.build.artifact import Artifact
from pipeline.build.fetch import Fetcher, Locate
from pipeline.build.lock import Lock, check_answers, lock_path, read_lock, write_lock
from pipeline.build.sections import lacking_section, urls
from pipeline.build.sources import read_sources
from pipeline.build.upgrade import Upgrade
from pipeline.declare.dependencies import answers
from pipeline.declare.errors import LockError, SpecError
from pipeline.declare.image import BuiltImage
from pipeline.declare.spec import EnvSpec
from pipeline.declare.validate import near

if TYPE_CHECKING:
    from pipeline.build.vendor import Vendored


def current_lock(spec: EnvSpec) -> Lock:
    """Return the lock of a spec.

    Raises:
        LockError: there is none, it answers an older spec, or it is no lock; the message names the command to run.
    """
    path = lock_path(spec.path)
    try:
        found = read_lock(path)
    except FileNotFoundError:
        raise LockError(f"{spec.path} has no lock {path}", hint=f"run `seatrial lock {spec.path}`") from None
    check_answers(found, spec.path, answers(spec))
    hint = f"somebody changed it by hand: run `seatrial lock {spec.path}` and commit the result"
    lacking = [each for each in spec.architectures if each not in found.platforms]
    if lacking:
        has = ", ".join(found.platforms)
        raise LockError(f"{path} has nothing for {lacking[0]}, which {spec.path} is built for; it has {has}", hint=hint)
    for architecture in spec.architectures:
        missing = lacking_section(spec, found.platforms[architecture])
        if missing:
            raise LockError(f"{path} has no {missing} for {architecture}, which {spec.path} has", hint=hint)
    return found


def check_upgrade(specs: Sequence[EnvSpec], upgrade: Upgrade) -> None:
    """Refuse names to upgrade that no lock of the specs holds: a misspelled one would upgrade nothing, in silence.

    Raises:
        SpecError: there is one.
    """
    paths = [lock_path(each.path) for each in specs]
    locks = [read_lock(each) for each in paths if each.exists()] if upgrade.names else []
    trees = [tree for lock in locks for each in lock.platforms.values() for tree in (each.image, each.suite)]
    trees += [tree for lock in locks for each in lock.platforms.values() for tree in each.services.values()]
    known = {package.name for tree in trees for package in tree.packages}
    for name in sorted(upgrade.names - known) if locks else ():
        hint = near(name, known) or "the names are those that the lock has"
        raise SpecError(f"--upgrade names {name!r}, which no lock of these specs holds", hint=hint)


def renew_lock(spec: EnvSpec, store: Path, upgrade: Upgrade, vendor: str = "") -> tuple[Lock, bool]:
    """Lock a spec, and write the lock beside it where anything changed.

    Args:
        spec: what to lock.
        store: keeps what is downloaded.
        upgrade: what is chosen anew although an older lock chose it.
        vendor: where in a registry every byte that the lock names is kept; empty for nowhere.

    Returns:
        The lock, and whether its file was written.

    Raises:
        LockError: no lock can be made; the message says why.
        FetchError: an archive cannot be read.
    """
    from pipeline.build.locking import make_lock  # noqa: PLC0415 - loads OpenPGP and the resolvers

    path = lock_path(spec.path)
    old = read_lock(path) if path.exists() else None
    if vendor:
        _check_place(vendor)
    now = datetime.now(UTC)
    with fetcher_of(spec, store, old) as fetcher:
        new = make_lock(spec, fetcher, now=now, store=store, old=old, upgrade=upgrade)
        if vendor:
            new = _kept(new, fetcher, vendor)
    if new != old:
        write_lock(new, path)
    return new, new != old


def fetcher_of(spec: EnvSpec, store: Path, lock: Lock | None) -> Fetcher:
    """Return what reaches the packages of a spec.

    Args:
        spec: may name a mirror.
        store: keeps what is downloaded.
        lock: its time is the one that the archives' public snapshots are asked for.
    """
    mirror = spec.image.debian.mirror if isinstance(spec.image, BuiltImage) else None
    sources = read_sources(os.environ, Path.home(), mirror)
    snapshot = datetime.fromtimestamp(lock.locked, UTC) if lock else None
    vendored = _vendored(lock) if lock and lock.vendored else None
    locate: dict[str, Locate] = {"pypi": _locate, "npm": _locate_module, "url": partial(_locate_url, urls(spec))}
    return Fetcher(store / "cache", sources, locate=locate, snapshot=snapshot, vendored=vendored)


def _check_place(reference: str) -> None:
    from pipeline.build.vendor import place_of  # noqa: PLC0415 - few locks are vendored

    place_of(reference)  # before anything is downloaded


def _kept(lock: Lock, fetcher: Fetcher, reference: str) -> Lock:
    from pipeline.build.vendor import keep, place_of  # noqa: PLC0415 - few locks are vendored

    return dataclasses.replace(lock, vendored=keep(lock, fetcher, place_of(reference)))


def _vendored(lock: Lock) -> "Vendored":
    from pipeline.build.vendor import Vendored  # noqa: PLC0415 - few locks are vendored

    return Vendored(lock.vendored)


def _locate(artifact: Artifact, fetcher: Fetcher) -> tuple[str, ...]:
    from pipeline.build.ecosystems.pypi.index import locate  # noqa: PLC0415 - only for what is not in the cache

    return locate(artifact, fetcher)


def _locate_url(urls: Mapping[str, str], artifact: Artifact, _: Fetcher) -> tuple[str, ...]:
    """Return where the spec says that a file is: a lock keeps no query of a URL."""
    return (urls.get(artifact.hash, artifact.path),)


def _locate_module(artifact: Artifact, fetcher: Fetcher) -> tuple[str, ...]:
    from pipeline.build.ecosystems.npm.registry import locate  # noqa: PLC0415 - likewise

    return locate(artifact, fetcher)
