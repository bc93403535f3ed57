"""The registry: where a package's tarball is, and what it says of a package's versions.

Source: npm's registry API, "package metadata" and its abbreviated form.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from pipeline.build.artifact import Artifact, LockedPackage
from pipeline.build.ecosystems.npm.package_lock import Entry
from pipeline.build.ecosystems.npm.tarball import Tarball
from pipeline.build.fetch import THREADS, Fetcher
from pipeline.build.modules import LockedModule
from pipeline.declare.errors import FetchError, PackageError
from pipeline.registry.access import shown

MAX_TARBALL = 1 << 30
"""Bytes of a tarball while its size is not locked yet."""

_NOTES = "npm-"


def locate(artifact: Artifact, fetcher: Fetcher) -> tuple[str, ...]:
    """Return the URL of an artifact of the archive ``npm``."""
    name, _, version = artifact.path.rpartition("@")
    return (tarball_url(name, version, fetcher),)


def tarball_url(name: str, version: str, fetcher: Fetcher) -> str:
    """Return where this machine's registry has the tarball of a version: the address that npm's clients have it by."""
    base = fetcher.sources.npm_registry_of(name)
    file = f"{name.rpartition('/')[2]}-{version.partition('+')[0]}.tgz"
    return f"{base}/{quote(name, safe='@/~')}/-/{quote(file, safe='~+')}"


def pin_all(
    entries: Iterable[Entry], fetcher: Fetcher, *, old: Iterable[LockedModule], skip_scripts: frozenset[str]
) -> tuple[LockedModule, ...]:
    """Return the entries as a lock holds them, sorted by name and version; each tarball is in the cache then.

    Args:
        entries: what to pin; several may be of one version.
        fetcher: reaches the registry.
        old: of an older lock: what it knows of the same bytes is not asked again.
        skip_scripts: names of packages whose install scripts need not run.

    Raises:
        FetchError: a tarball cannot be had, or is not the listed one.
        PackageError: one is no package, is another one than it is listed as, or runs a program when it is installed.
    """
    places: dict[tuple[str, str], list[Entry]] = {}
    for each in entries:
        places.setdefault((each.name, each.version), []).append(each)
    known = {each.package.artifact.source: each.package.artifact for each in old}
    wanted = [places[key] for key in sorted(places)]
    with ThreadPoolExecutor(THREADS, thread_name_prefix="npm") as executor:
        artifacts = tuple(executor.map(lambda group: _pin(group, fetcher, known), wanted))
    for group, artifact in zip(wanted, artifacts, strict=True):
        _require_plain(group[0], artifact, fetcher, skip_scripts)
    return tuple(
        LockedModule(
            package=LockedPackage(name=group[0].name, version=group[0].version, architecture="", artifact=artifact),
            paths=tuple(sorted({each.path for each in group})),
        )
        for group, artifact in zip(wanted, artifacts, strict=True)
    )


def _pin(group: list[Entry], fetcher: Fetcher, known: dict[str, Artifact]) -> Artifact:
    first = group[0]
    source = f"npm:{first.name}@{first.version}"
    before = known.get(source)
    if before is None or not first.integrity.has(before.hash):
        before = _remembered(first, source, fetcher)
    if before is None:
        before = _download(first, source, fetcher)
    for each in group:
        if not each.integrity.has(before.hash):
            raise FetchError(f"{source} is listed with two hashes, one of them for {each.path}")
    return before


def _remembered(entry: Entry, source: str, fetcher: Fetcher) -> Artifact | None:
    """Return the artifact if this machine downloaded it before: only its size is not in a package-lock.json."""
    for digits in sorted(entry.integrity.digests):
        size = fetcher.cache.recall(_NOTES + digits[:64])
        if size.isdigit():
            return Artifact(source=source, size=int(size), hash=f"{entry.integrity.algorithm}:{digits}")
    return None


def _download(entry: Entry, source: str, fetcher: Fetcher) -> Artifact:
    url = tarball_url(entry.name, entry.version, fetcher)
    try:
        content = fetcher.read(url, MAX_TARBALL)
        strongest = entry.integrity.hash_of(content)
    except (FetchError, ValueError) as error:
        reason = error.message if isinstance(error, FetchError) else f"{shown(url)}: {error}"
        kind = type(error) if isinstance(error, FetchError) else FetchError
        hint = getattr(error, "hint", "") or "see that this machine's registry has it, and that nobody changed it"
        raise kind(f"cannot fetch {source}: {reason}", hint=hint) from None
    artifact = Artifact(source=source, size=len(content), hash=strongest)
    fetcher.cache.put(artifact, (content,))
    fetcher.cache.remember(_NOTES + strongest.partition(":")[2][:64], str(len(content)).encode())
    return artifact


def _require_plain(entry: Entry, artifact: Artifact, fetcher: Fetcher, skip_scripts: frozenset[str]) -> None:
    """Refuse a tarball of another package than is listed, and one whose install scripts would be missed."""
    with Tarball(fetcher.fetch(artifact), artifact.source) as tarball:
        manifest = tarball.manifest()
        scripts = tarball.install_scripts()
    if manifest.get("name") != entry.name:
        raise PackageError(
            f"{artifact.source} holds another package: its package.json has the name {str(manifest.get('name'))!r}",
            hint="see where it came from",
        )
    if scripts and entry.name not in skip_scripts:
        raise PackageError(
            f"{artifact.source} runs a program when it is installed, and none is run here ({scripts[0][:120]})",
            hint=f"if it works without, add it to node's 'skip-scripts': [{entry.name}]",
        )
