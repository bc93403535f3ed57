"""Make a lock: resolve what a spec asks for, keep what an older lock chose, and find the epoch."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipeline.build.artifact import LockedPackage
from pipeline.build.ecosystems.debian.archive import DebianRequest, read_universe
from pipeline.build.ecosystems.debian.deb import newest_mtime
from pipeline.build.ecosystems.debian.index import Universe
from pipeline.build.ecosystems.debian.lock import lock_debian
from pipeline.build.ecosystems.debian.resolve import UnmetError
from pipeline.build.ecosystems.npm.install import newest_time as newest_in_tarball
from pipeline.build.ecosystems.npm.lock import lock_npm
from pipeline.build.ecosystems.pypi.index import lock_sdist
from pipeline.build.ecosystems.pypi.resolve import Wanted, lock_pypi, lock_tools
from pipeline.build.ecosystems.pypi.target import Target
from pipeline.build.ecosystems.pypi.wheel import newest_time
from pipeline.build.ecosystems.url.lock import ARCHIVE as URL
from pipeline.build.ecosystems.url.lock import lock_url
from pipeline.build.existing import Ways, interpreter_of, pin, target_of
from pipeline.build.fetch import Fetcher
from pipeline.build.interpreter import Interpreter
from pipeline.build.leftovers import RESOLVER
from pipeline.build.lock import Existing, Lock, LockedTree, Platform, python_version
from pipeline.build.modules import LockedModule
from pipeline.build.upgrade import Upgrade
from pipeline.declare.dependencies import answers
from pipeline.declare.errors import NamedError, PackageError, PipelineError
from pipeline.declare.faults import SpecFaults
from pipeline.declare.image import (
    AnyImage,
    BuiltImage,
    ExistingImage,
    FilesEntry,
    NodePart,
    PythonPart,
    SdistFiles,
    Stage,
    UrlFile,
    parse_epoch,
)
from pipeline.declare.spec import EnvSpec
from pipeline.declare.yaml_reader import Scalar, walk

INTERPRETER = "python3"
"""The Debian package that ``python:`` implies."""

NODE = "nodejs"
"""The Debian package that ``node:`` implies."""

_NAME = re.compile(r"[\s=(]")
"""What ends the name in a request of a Debian package, as ``app=1`` and ``app (>= 1)``."""

COMPILER = ("libc-bin", "locales")
"""The Debian packages that ``locales:`` implies: localedef, and what it compiles."""


def make_lock(
    spec: EnvSpec, fetcher: Fetcher, *, now: datetime, store: Path, old: Lock | None, upgrade: Upgrade
) -> Lock:
    """Return the lock of a spec.

    Every package is downloaded: the epoch is the newest time inside them.

    Args:
        spec: what is asked for; an image that exists already is taken into the store.
        fetcher: reaches the archives.
        now: the time of locking.
        store: takes images that exist already, and the resolvers' own caches.
        old: an older lock of this spec: what it chose stays where it can, so that only what is asked for changes.
        upgrade: what is chosen anew all the same.

    Raises:
        LockError, ResolveError, ArchiveError: no lock can be made; the message says why.
        FetchError: an archive cannot be read.
    """
    debian = spec.image.debian.suite if isinstance(spec.image, BuiltImage) else ""
    if old is not None and old.debian != debian:
        old = None  # its packages are those of another suite
    resolver = _Resolver(spec=spec, fetcher=fetcher, now=now, store=store, upgrade=upgrade)
    try:
        platforms = {
            name: resolver.platform(name, old.platforms.get(name) if old else None) for name in spec.architectures
        }
    except NamedError as error:
        raise _at_its_line(spec, error, error.named, error.key) from error
    except UnmetError as error:
        raise _at_its_line(spec, error, error.asked, "packages") from error
    epoch = _epoch(spec.image, platforms.values(), fetcher)
    lock = Lock(answers=answers(spec), epoch=epoch, locked=int(now.timestamp()), debian=debian, platforms=platforms)
    # The time of an older lock stays where nothing else changed: locking again writes the same bytes.
    return old if old is not None and old.digest == lock.digest else lock


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resolver:
    spec: EnvSpec
    fetcher: Fetcher
    now: datetime
    store: Path
    upgrade: Upgrade

    @property
    def work(self) -> Path:
        """Where the resolvers have their own caches."""
        return self.store / RESOLVER

    @property
    def _ways(self) -> Ways:
        return Ways(directory=self.spec.directory, store=self.store, connections=self.fetcher.connections)

    def platform(self, architecture: str, old: Platform | None) -> Platform:
        """Return what is locked for one architecture; image, suite and services see the archive at one moment."""
        old = old or Platform(image=LockedTree(), suite=LockedTree())
        own, universe = self.spec.image, None
        if isinstance(own, BuiltImage):
            universe = self._universe(own, architecture)
            image = self._image(own, architecture, universe, old.image)
            suite = self._suite(own, architecture, universe, image, old.suite)
        else:
            image, python = self._existing(own, architecture)
            suite = self._suite_beside(python, architecture, old.suite)
        services = {}
        for name, service in self.spec.services.items():
            part, before = service.image, old.services.get(name, LockedTree())
            if not isinstance(part, BuiltImage):
                services[name] = self._pinned(part, architecture)
                continue
            is_same = isinstance(own, BuiltImage) and part.debian == own.debian
            seen = universe if is_same and universe else self._universe(part, architecture)
            services[name] = self._image(part, architecture, seen, before)
        return Platform(image=image, suite=suite, services=services)

    def _existing(self, part: ExistingImage, architecture: str) -> tuple[LockedTree, Interpreter | None]:
        """Return what is locked of an image that exists already, and its Python, where the suite needs one."""
        image = pin(part, self._ways, architecture)
        python = interpreter_of(self.spec, image, self.store)
        version, libc = (python.version, python.libc) if python else ("", "")
        return LockedTree(existing=Existing(manifest=image.digest, python=version, libc=libc)), python

    def _pinned(self, part: ExistingImage, architecture: str) -> LockedTree:
        image = pin(part, self._ways, architecture)
        return LockedTree(existing=Existing(manifest=image.digest))

    def _suite_beside(self, image: Interpreter | None, architecture: str, old: LockedTree) -> LockedTree:
        """Return what is locked of the suite of an image that exists already: wheels for its own Python."""
        part, python = self.spec.suite, tuple[LockedPackage, ...]()
        if part.python is not None and image is not None:
            python = lock_tools(
                Wanted.of(part.python, self.spec.directory),
                target_of(image, architecture),
                image=image.packages,
                fetcher=self.fetcher,
                work=self.work,
                preferred=self._preferred(old.python),
            )
        node = self._node(part.node, architecture, old)
        return LockedTree(python=python, sources=self._sources(part.files, old), node=node)

    def _universe(self, part: BuiltImage, architecture: str) -> Universe:
        return read_universe(self._request(part, architecture), self.fetcher, now=self.now)

    def _image(self, part: BuiltImage, architecture: str, universe: Universe, old: LockedTree) -> LockedTree:
        implied = (*_implied(part.python, part.node), *(COMPILER if part.locales else ()))
        debian = self._debian(self._request(part, architecture, *part.packages, *implied), universe, (), old)
        python: tuple[LockedPackage, ...] = ()
        if part.python is not None:
            target = _target(debian, architecture)
            wanted = Wanted.of(part.python, self.spec.directory)
            python = lock_pypi(
                wanted, target, fetcher=self.fetcher, work=self.work, preferred=self._preferred(old.python)
            )
        node = self._node(part.node, architecture, old)
        stages = {
            name: self._stage(
                stage,
                self._request(part, architecture, *stage.packages),
                universe,
                image=debian,
                old=old.stages.get(name, LockedTree()),
            )
            for name, stage in part.stages.items()
        }
        return LockedTree(
            debian=debian, python=python, sources=self._sources(part.files, old), node=node, stages=stages
        )

    def _stage(
        self,
        stage: Stage,
        request: DebianRequest,
        universe: Universe,
        *,
        image: tuple[LockedPackage, ...],
        old: LockedTree,
    ) -> LockedTree:
        """Return what is locked of a stage; what the image has too has the version there.

        A program that is linked with a newer library than the image's may not start there.
        """
        named = {each.name for each in image}
        keep = (*image, *(each for each in self.upgrade.kept(old.debian) if each.name not in named))
        debian = lock_debian(request, self.fetcher, now=self.now, keep=keep, universe=universe)
        return LockedTree(debian=debian, sources=self._sources(stage.files, old))

    def _suite(
        self, built: BuiltImage, architecture: str, universe: Universe, image: LockedTree, old: LockedTree
    ) -> LockedTree:
        part = self.spec.suite
        debian: tuple[LockedPackage, ...] = ()
        implied = _implied(part.python, part.node)
        if part.packages or implied:
            request = self._request(built, architecture, *part.packages, *implied)
            debian = self._debian(request, universe, image.debian, old)
        python: tuple[LockedPackage, ...] = ()
        if part.python is not None:
            python = lock_tools(
                Wanted.of(part.python, self.spec.directory),
                _target((*image.debian, *debian), architecture),
                image=image.python,
                fetcher=self.fetcher,
                work=self.work,
                preferred=self._preferred(old.python),
            )
        node = self._node(part.node, architecture, old)
        return LockedTree(debian=debian, python=python, sources=self._sources(part.files, old), node=node)

    def _node(self, part: NodePart | None, architecture: str, old: LockedTree) -> tuple[LockedModule, ...]:
        if part is None:
            return ()
        kept = self.upgrade.kept(tuple(each.package for each in old.node))
        return lock_npm(part, self.spec.directory, architecture, fetcher=self.fetcher, old=old.node, kept=kept)

    def _request(self, image: BuiltImage, architecture: str, *packages: str) -> DebianRequest:
        part = image.debian
        return DebianRequest(
            suite=part.suite,
            packages=tuple(dict.fromkeys(packages)),
            architecture=architecture,
            components=part.components,
            mirror=part.mirror,
            keys=((self.spec.directory / part.keys).read_bytes(),) if part.keys else (),
        )

    def _debian(
        self, request: DebianRequest, universe: Universe, installed: tuple[LockedPackage, ...], old: LockedTree
    ) -> tuple[LockedPackage, ...]:
        keep = self.upgrade.kept(old.debian)
        return lock_debian(request, self.fetcher, now=self.now, installed=installed, keep=keep, universe=universe)

    def _preferred(self, old: tuple[LockedPackage, ...]) -> dict[str, str]:
        return {each.name: each.version for each in self.upgrade.kept(old)}

    def _sources(self, entries: tuple[FilesEntry, ...], old: LockedTree) -> tuple[LockedPackage, ...]:
        wanted = dict.fromkeys(each.sdist for each in entries if isinstance(each, SdistFiles))
        named = {each.sha256: each for each in entries if isinstance(each, UrlFile)}
        files = (lock_url(each, self.fetcher, old.sources) for each in named.values())
        return (*(lock_sdist(each, self.fetcher) for each in wanted), *files)


def _at_its_line(spec: EnvSpec, error: PipelineError, named: str, key: str) -> PipelineError:
    """Return the error as a fault at the line of the spec that names what it is about, where there is such a line.

    Args:
        spec: the spec.
        error: what went wrong.
        named: how the spec writes it; of a Debian package its name, whatever version stands behind it.
        key: the key below which it stands.
    """
    for path, node in walk(spec.source) if spec.source and named else ():
        if isinstance(node, Scalar) and key in path and named in {node.text, _NAME.split(node.text, maxsplit=1)[0]}:
            return SpecFaults([node.place.fault(error.message, error.hint)])
    return error


def _implied(python: PythonPart | None, node: NodePart | None) -> tuple[str, ...]:
    return (*((INTERPRETER,) if python is not None else ()), *((NODE,) if node is not None else ()))


def _target(debian: tuple[LockedPackage, ...], architecture: str) -> Target:
    libc = {each.name: each.version for each in debian}.get("libc6", "")
    return Target.of_debian(python=python_version(debian), libc=libc, architecture=architecture)


def _epoch(image: AnyImage, platforms: Iterable[Platform], fetcher: Fetcher) -> int:
    """Return the newest time in the packages of image and suite.

    What runs beside them changes no byte of an image, and of a stage's packages none is in it: a newer compiler alone
    changes no time.
    """
    packages = [package for each in platforms for package in (*each.image.packages, *each.suite.packages)]
    paths = fetcher.fetch_all([each.artifact for each in packages])
    if isinstance(image, BuiltImage) and image.epoch is not None:
        return parse_epoch(image.epoch)
    return max((_newest(each, path) for each, path in zip(packages, paths, strict=True)), default=0)


def _newest(package: LockedPackage, path: Path) -> int:
    """Return the newest time inside a package; files of source distributions and from URLs are clamped like all."""
    try:
        if package.artifact.archive.startswith("debian"):
            return newest_mtime(path)
        if package.artifact.archive == "npm":
            return newest_in_tarball(path, package.artifact.source)
        if package.artifact.archive == URL:
            return 0
        return newest_time(path) if package.artifact.name.endswith(".whl") else 0
    except PackageError as error:  # it knows the file by its name in the cache only
        raise PackageError(
            f"{package.artifact.source} is refused: {error.message.removeprefix(f'{path.name}: ')}",
            hint=f"it is damaged or hostile; see where it came from, or ask for another version of {package.name}",
        ) from error
