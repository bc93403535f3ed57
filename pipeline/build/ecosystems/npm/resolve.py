"""``resolve_npm``: exact versions with all that they need, laid flat, and nested only where two versions are needed.

Each dependency is looked for as Node.js does, from the package's own folder up. One that is not found is laid as high
as nothing of its name is in the way and no package would find another version than it found before.

Source: Node.js, "Modules: CommonJS modules", loading from node_modules folders; npm's documentation, package.json.
"""

import heapq
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.build.ecosystems.npm.integrity import Integrity
from pipeline.build.ecosystems.npm.package_lock import VERSION, Entry
from pipeline.build.ecosystems.npm.packument import Packument
from pipeline.build.ecosystems.npm.platforms import fits
from pipeline.build.ecosystems.npm.semver import Range, Version
from pipeline.build.fetch import Fetcher
from pipeline.build.modules import NAME
from pipeline.declare.errors import FetchError, MissingError, ResolveError

MAX_PLACED = 20_000
"""Folders of packages; a registry that names ever new ones is left there."""

_WANTED = re.compile(rf"(?P<name>{NAME})@(?P<version>{VERSION.pattern})")
_ALIAS = re.compile(rf"npm:(?P<name>{NAME})(?:@(?P<range>.*))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edge:
    """One package's need of another one.

    Args:
        start: folder below whose ``node_modules`` it is looked for first.
        alias: the name that it is required by.
        name: in the registry.
        range: of versions.
        is_optional: whether it may be missing.
    """

    start: str
    alias: str
    name: str
    range: str
    is_optional: bool = False


@dataclass(slots=True, kw_only=True)
class _Tree:
    """What is laid so far; changed while it is made, and by its maker alone."""

    placed: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Path → name and version."""
    found: list[tuple[_Edge, str]] = field(default_factory=list)
    """Needs that are met, and the path that each finds."""

    def find(self, edge: _Edge) -> str | None:
        """Return the path that a package finds; None for nothing."""
        return next((path for path in _upwards(edge.start, edge.alias) if path in self.placed), None)

    def place(self, edge: _Edge, name: str, version: str) -> str | None:
        """Return the highest path where a package can be laid; None if its name is in the way even at the lowest."""
        best = None
        for path in _upwards(edge.start, edge.alias):
            if path in self.placed:
                break
            if not self._is_in_the_way(path, edge.alias, name, version):
                best = path
        return best

    def _is_in_the_way(self, path: str, alias: str, name: str, version: str) -> bool:
        """Tell whether a package at a path would hide another one from those that found that one further up."""
        above = path.removesuffix(f"node_modules/{alias}")
        return any(
            edge.alias == alias
            and f"{edge.start}/".startswith(above)
            and len(at) < len(path)
            and not _meets(edge, name, version)
            for edge, at in self.found
        )


def resolve_npm(
    packages: Sequence[str], architecture: str, *, fetcher: Fetcher, preferred: Mapping[str, Collection[str]]
) -> tuple[Entry, ...]:
    """Return what ``NAME@VERSION`` and all that they need are laid as, sorted by path.

    Args:
        packages: as a spec has them.
        architecture: in Debian's words.
        fetcher: reaches the registry.
        preferred: name → versions that an older lock has; they stay where they are still in the range.

    Raises:
        ResolveError: one is not exact, does not exist, needs what does not exist, or two cannot be together.
        FetchError: the registry cannot be read.
    """
    return _Resolution(architecture=architecture, fetcher=fetcher, preferred=preferred).run(packages)


class _Resolution:
    """One resolution; it reads each package's metadata once."""

    def __init__(self, *, architecture: str, fetcher: Fetcher, preferred: Mapping[str, Collection[str]]) -> None:
        self.architecture = architecture
        self.fetcher = fetcher
        self.preferred = preferred
        self.tree = _Tree()
        self.known: dict[str, Packument | None] = {}

    def run(self, packages: Sequence[str]) -> tuple[Entry, ...]:
        """Lay the packages, then what each needs: the least nested first, then by path, as npm goes through them."""
        waiting: list[tuple[int, str]] = []
        for edge in sorted(_roots(packages), key=lambda each: each.name):
            self._enqueue(waiting, self._meet(edge, edge.name))
        while waiting:
            _, path = heapq.heappop(waiting)
            for edge in self._edges(path):
                self._enqueue(waiting, self._meet(edge, path))
        self._require_met()
        return tuple(self._entry(path) for path in sorted(self.tree.placed))

    @staticmethod
    def _enqueue(waiting: list[tuple[int, str]], path: str | None) -> None:
        if path is not None:
            heapq.heappush(waiting, (path.count("node_modules/"), path))

    def _meet(self, edge: _Edge, asker: str) -> str | None:
        """Meet a need; return the path of what was laid for it, None where nothing new is."""
        edge = self._without_tag(edge)
        at = self.tree.find(edge)
        if at is not None and _meets(edge, *self.tree.placed[at]):
            self.tree.found.append((edge, at))
            return None
        packument = self._packument(edge.name)
        version = packument.choose(edge.range, self.preferred.get(edge.name, ())) if packument else None
        if packument is None or version is None:
            self._refuse(edge, asker, f"there is no {edge.name}@{edge.range}")
            return None
        if not fits(packument.versions[version], self.architecture):
            self._refuse(edge, asker, f"{edge.name}@{version} is not made for linux on {self.architecture}")
            return None
        path = self.tree.place(edge, edge.name, version)
        if path is None or len(self.tree.placed) >= MAX_PLACED:
            beside = "@".join(self.tree.placed[at]) if at else "so many others"
            self._refuse(edge, asker, f"{edge.name}@{version} has no place beside {beside}")
            return None
        self.tree.placed[path] = (edge.name, version)
        self.tree.found.append((edge, path))
        return path

    def _without_tag(self, edge: _Edge) -> _Edge:
        """Return a need with the version that a tag stands for in place of the tag."""
        try:
            Range.parse(edge.range)
        except ValueError:
            packument = self._packument(edge.name)
            version = packument.choose(edge.range) if packument else None
            return replace(edge, range=version) if version else edge
        return edge

    def _refuse(self, edge: _Edge, asker: str, reason: str) -> None:
        """Refuse what cannot be met, unless it may be missing."""
        if not edge.is_optional:
            raise ResolveError(f"{asker.rpartition('node_modules/')[2]} cannot be locked: {reason}")

    def _edges(self, path: str) -> Iterator[_Edge]:
        """Yield what a package needs; optional needs go before plain ones of the same name, as in npm."""
        name, version = self.tree.placed[path]
        about = self._about(name, version)
        above = path.rpartition("node_modules/")[0].rstrip("/")
        optional, plain, peers = (_table(about, f"{each}ependencies") for each in ("optionalD", "d", "peerD"))
        details = _table(about, "peerDependenciesMeta")
        for alias, wanted in sorted((plain | optional).items()):
            yield _edge(path, alias, wanted, is_optional=alias in optional)
        for alias, wanted in sorted(peers.items()):
            detail = details.get(alias)
            if alias not in plain and not (isinstance(detail, dict) and detail.get("optional") is True):
                yield _edge(above, alias, wanted)

    def _packument(self, name: str) -> Packument | None:
        if name not in self.known:
            try:
                self.known[name] = Packument.read(name, self.fetcher)
            except MissingError:
                self.known[name] = None
        return self.known[name]

    def _about(self, name: str, version: str) -> Mapping[str, Any]:
        packument = self._packument(name)
        return packument.versions[version] if packument else {}

    def _require_met(self) -> None:
        """Hold the whole tree to what Node.js will find in it."""
        for edge, _ in self.tree.found:
            at = self.tree.find(edge)
            if at is None or not _meets(edge, *self.tree.placed[at]):
                raise ResolveError(f"{edge.start or 'the spec'} needs {edge.name}@{edge.range} and would find {at}")

    def _entry(self, path: str) -> Entry:
        name, version = self.tree.placed[path]
        dist = _table(self._about(name, version), "dist")
        try:
            integrity = Integrity.parse(str(dist.get("integrity") or ""))
        except ValueError as error:
            raise FetchError(f"the registry's 'integrity' of {name}@{version} is refused: {error}") from None
        return Entry(path=path, name=name, version=version, integrity=integrity)


def _roots(packages: Sequence[str]) -> Iterator[_Edge]:
    seen: dict[str, str] = {}
    for each in packages:
        match = _WANTED.fullmatch(each)
        if match is None:
            raise ResolveError(f"{each!r} is no package and exact version", hint="write it as left-pad@1.3.0")
        if seen.setdefault(match["name"], match["version"]) != match["version"]:
            raise ResolveError(f"{match['name']} is asked for as {seen[match['name']]} and as {match['version']}")
        yield _Edge(start="", alias=match["name"], name=match["name"], range=match["version"])


def _edge(start: str, alias: str, wanted: object, *, is_optional: bool = False) -> _Edge:
    match = _ALIAS.fullmatch(str(wanted))
    name, within = (match["name"], match["range"] or "*") if match else (alias, str(wanted))
    if not re.fullmatch(NAME, alias):
        raise ResolveError(f"{start} needs {alias[:80]!r}, which is no name of a package")
    return _Edge(start=start, alias=alias, name=name, range=within, is_optional=is_optional)


def _meets(edge: _Edge, name: str, version: str) -> bool:
    """Tell whether a version is what is needed; nothing is what a URL or a file needs."""
    if name != edge.name:
        return False
    try:
        return Range.parse(edge.range).has(Version.parse(version))
    except ValueError:
        return False


def _upwards(start: str, alias: str) -> Iterator[str]:
    """Yield the paths where Node.js looks for a package, the nearest first."""
    here = start
    while here:
        yield f"{here}/node_modules/{alias}"
        here = here.rpartition("node_modules/")[0].rstrip("/")
    yield f"node_modules/{alias}"


def _table(about: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = about.get(key)
    return found if isinstance(found, dict) else {}
