"""What the commands do, in the order of the stages: lock, build, observe, compare, explain, judge."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from pipeline.build.ecosystems.pypi.index import locate
from pipeline.build.fetch import Fetcher
from pipeline.build.lock import Lock, check_answers, lock_path, read_lock, write_lock
from pipeline.build.locking import Upgrade, make_lock
from pipeline.build.sources import read_sources
from pipeline.declare.dependencies import answers
from pipeline.declare.errors import BuildError, LockError
from pipeline.declare.hosts import Catalogue, select
from pipeline.declare.image import BuiltImage
from pipeline.declare.read import read_specs
from pipeline.declare.spec import EnvSpec
from pipeline.verify.verdict import Verification
from runtime.backend import Unsupported
from runtime.backends.native.backend import NativeBackend
from runtime.digest import Digest
from runtime.host import Host
from runtime.outcome import Outcome
from runtime.plan import Plan, User

Tell = Callable[[object], None]
"""Takes what happens, as it happens, for whoever shows progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a caller wishes, apart from the specs.

    Args:
        store: the folder of images, trees, downloads and earlier results.
        jobs: how many runs at once.
        seed: plans the same runs again.
        hosts: a set or names of hosts instead of the spec's own; None for those.
        budget: milliseconds for the search for causes.
        fresh: whether earlier results are left aside.
        locked: whether a missing lock is an error.
        images: name of an environment → reference of the image that is verified instead of its own.
    """

    store: Path
    jobs: int = 1
    seed: int = 0
    hosts: str | None = None
    budget: int = 1_200_000
    fresh: bool = False
    locked: bool = False
    images: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A spec's lock: where it lies, its digest, and whether its file was written anew."""

    path: Path
    digest: Digest
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A host, why it cannot run here (None if it can), and whether the specs need it."""

    host: Host
    unavailable: Unsupported | None = None
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """A part of this machine that runs need: its name, what was found, why it is missing (None if it is there)."""

    name: str
    about: str
    unavailable: Unsupported | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What this machine can do: hosts in the catalogue's order, and the parts that they rest on."""

    offers: tuple[Offer, ...]
    abilities: tuple[Ability, ...]


def lock(
    paths: Sequence[Path],
    options: Options,
    upgrade: tuple[str, ...] | None,
    check: bool,  # noqa: FBT001 - a command-line flag, handed on
    tell: Tell,
) -> tuple[Locked, ...]:
    """Lock every spec, or check that its lock answers it.

    Args:
        paths: the specs.
        options: says where the store is.
        upgrade: packages to choose anew; empty for all, None for none.
        check: write nothing, and refuse a missing or stale lock.
        tell: is told of each lock.

    Raises:
        SpecFaults: every fault of every spec at once.
        LockError: a lock is missing or stale, or cannot be made.
        FetchError: an archive cannot be read.
    """
    specs = read_specs(paths)
    if check:
        return tuple(Locked(path=lock_path(each.path), digest=_checked(each).digest, changed=False) for each in specs)
    wanted = Upgrade(everything=upgrade == (), names=frozenset(upgrade or ()))
    locked = []
    for each in specs:
        locked.append(_lock_one(each, options, wanted))
        tell(locked[-1])
    return tuple(locked)


def offers(pattern: Path, options: Options) -> tuple[Offer, ...]:
    """Return every host of the catalogue that a spec at ``pattern`` would see, and whether it can run here."""
    named = frozenset((options.hosts or "").split(","))
    return _offers(Catalogue.of(pattern), named)


def examine(paths: Sequence[Path], options: Options) -> Examination:
    """Return what this machine can do, and which hosts the specs name.

    Raises:
        SpecFaults: a spec is wrong.
    """
    specs = read_specs(paths)
    catalogue = Catalogue.of(paths[0] if paths else Path("envs/spec.yaml"))
    named = frozenset(
        host.name
        for spec in specs
        if not isinstance(options.hosts or spec.hosts, str)
        for host in select(spec, catalogue, options.hosts)
    )
    with NativeBackend(layers=_no_layers) as native:
        missing = native.available()
    about = f"namespaces, overlayfs, seccomp ({'root' if os.geteuid() == 0 else 'rootless'})"
    return Examination(
        offers=_offers(catalogue, named), abilities=(Ability(name="native", about=about, unavailable=missing),)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a lock was built to: the digests of the image's manifest and of the suite's."""

    image: Digest
    suite: Digest


class Interrupted(Exception):  # noqa: N818 - not an error: what was found until then is worth showing
    """A verification was stopped; ``partial`` is what it had found, and the cause says by what."""

    def __init__(self, partial: Verification) -> None:
        super().__init__("interrupted")
        self.partial = partial


def build(path: Path, options: Options, check: bool, tell: Tell) -> Built:  # noqa: ARG001, FBT001
    """Build a spec's image and suite.

    Raises:
        BuildError: always, in this version.
    """
    raise _cannot_build(path)


def verify(paths: Sequence[Path], options: Options, tell: Tell) -> Verification:
    """Verify every spec: today it locks what is not locked yet, and refuses to go on.

    Raises:
        BuildError: always, in this version, once every spec is read and locked.
    """
    for each in read_specs(paths):
        if options.locked or _readable(lock_path(each.path)):
            _checked(each)
        else:
            tell(_lock_one(each, options, Upgrade()))
    raise _cannot_build(paths[0])


def explain(path: Path, host: str, test: str | None, options: Options, tell: Tell) -> Verification:  # noqa: ARG001
    """Narrow one difference to its cause.

    Raises:
        BuildError: always, in this version.
    """
    raise _cannot_build(path)


def run_once(  # noqa: PLR0917 - as the verb calls it
    subject: str,
    host: str | None,  # noqa: ARG001
    levels: Mapping[str, str],  # noqa: ARG001
    argv: tuple[str, ...] | None,  # noqa: ARG001
    repeat: int,  # noqa: ARG001
    options: Options,  # noqa: ARG001
    on_stdout: Callable[[bytes], None],  # noqa: ARG001
    on_stderr: Callable[[bytes], None],  # noqa: ARG001
) -> tuple[Outcome, ...]:
    """Run a suite or a command on one host.

    Raises:
        BuildError: always, in this version.
    """
    raise _cannot_build(Path(subject))


def _cannot_build(path: Path) -> BuildError:
    return BuildError(
        f"{path}: this version locks environments, and cannot build images from their locks yet",
        hint="`seatrial lock`, `seatrial hosts` and `seatrial doctor` work; README.md tells what else does",
    )


def _lock_one(spec: EnvSpec, options: Options, upgrade: Upgrade) -> Locked:
    path = lock_path(spec.path)
    old = _readable(path)
    now = datetime.now(UTC)
    mirror = spec.image.debian.mirror if isinstance(spec.image, BuiltImage) else None
    sources = read_sources(os.environ, Path.home(), mirror)
    with Fetcher(options.store / "cache", sources, locate={"pypi": locate}) as fetcher:
        new = make_lock(spec, fetcher, now=now, work=options.store / "tmp" / "uv", old=old, upgrade=upgrade)
    if new != old:
        write_lock(new, path)
    return Locked(path=path, digest=new.digest, changed=new != old)


def _checked(spec: EnvSpec) -> Lock:
    path = lock_path(spec.path)
    try:
        found = read_lock(path)
    except FileNotFoundError:
        raise LockError(f"{spec.path} has no lock {path}", hint=f"run `seatrial lock {spec.path}`") from None
    check_answers(found, spec.path, answers(spec))
    return found


def _readable(path: Path) -> Lock | None:
    try:
        return read_lock(path)
    except FileNotFoundError:
        return None


def _offers(catalogue: Catalogue, named: frozenset[str]) -> tuple[Offer, ...]:
    found = []
    with NativeBackend(layers=_no_layers) as native:
        for host in catalogue.hosts():
            checked = native.check(host.apply(_empty_plan()))
            missing = checked if isinstance(checked, Unsupported) else None
            found.append(Offer(host=host, unavailable=missing, required=host.name in named))
    return tuple(found)


def _empty_plan() -> Plan:
    """Return a plan of no image: whether a host can be had here does not depend on what runs on it."""
    return Plan(
        image=Digest.of(b""),
        suite=None,
        argv=("true",),
        workdir="/",
        environment={},
        user=User(uid=1000, gid=1000, home="/home/app"),
        capabilities=(),
    )


def _no_layers(image: Digest) -> tuple[Path, ...]:
    raise LookupError(f"{image} is not run: only its plan is looked at")
