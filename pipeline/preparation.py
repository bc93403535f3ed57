"""What comes before any run: specs are read, locked, and built."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from pipeline.bills.bill import Bill
from pipeline.bills.trees import Tree
from pipeline.build.images import Builder
from pipeline.build.layers import Tools
from pipeline.build.leftovers import sweep_store
from pipeline.build.lock import Lock, lock_path
from pipeline.build.locks import check_upgrade, current_lock, fetcher_of, renew_lock
from pipeline.build.upgrade import Upgrade
from pipeline.declare.faults import SpecFaults
from pipeline.declare.image import BuiltImage, ExistingImage
from pipeline.declare.read import read_specs
from pipeline.declare.spec import EnvSpec
from pipeline.declare.unsupported import unsupported
from pipeline.existing_run import Told
from pipeline.report.events import Ended, Planned, Started, Step
from pipeline.verify import plugin
from pipeline.verify.inquiry import of_machine
from runtime.digest import Digest
from runtime.plan import Variant

Tell = Callable[[object], None]
"""Takes what happens, as it happens, for whoever shows progress."""

TOOLS = Tools(
    folder=plugin.TOOLS,
    files=plugin.plugin_files(),
    path_file=plugin.PTH,
    tree_file=plugin.TREE,
    tree_content=plugin.tree_content,
)
"""What verifying adds to the suite of an environment."""


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
        fail_fast: whether the first host that fails ends the verification of an environment.
        images: path of a spec → reference of the image that is verified instead of its own.
        predict: whether a traced run of the reference says where to look for causes first.
    """

    store: Path
    jobs: int = 1
    seed: int = 0
    hosts: str | None = None
    budget: int = 1_200_000
    fresh: bool = False
    locked: bool = False
    fail_fast: bool = False
    images: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    predict: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A spec's lock: where it lies, its digest, and whether its file was written anew."""

    path: Path
    digest: Digest
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a lock was built to: manifests of image and suite, for each architecture, and of the services, by name.

    ``index`` names the images of several architectures that were built here; None where there is one, or they exist
    already. ``lock`` is the digest of what they were built from; None where they exist already.
    """

    variants: tuple[Variant, ...]
    services: Mapping[str, Digest]
    index: Digest | None = None
    lock: Digest | None = None


def lock(
    paths: Sequence[Path],
    options: Options,
    upgrade: tuple[str, ...] | None,
    check: bool,  # noqa: FBT001 - a command-line flag, handed on
    tell: Tell,
    *,
    vendor: str = "",
) -> tuple[Locked, ...]:
    """Lock every spec, or check that its lock answers it.

    Args:
        paths: the specs.
        options: says where the store is.
        upgrade: packages to choose anew; empty for all, None for none.
        check: write nothing, and refuse a missing or stale lock.
        tell: is told of each lock.
        vendor: where in a registry every byte of the one lock is kept; empty for nowhere.

    Raises:
        SpecFaults: every fault of every spec at once.
        LockError: a lock is missing or stale, or cannot be made.
        FetchError: an archive cannot be read.
    """
    specs = open_specs(paths, options)
    if check:
        return tuple(_locked(each, current_lock(each), changed=False) for each in specs)
    wanted = Upgrade(everything=upgrade == (), names=frozenset(upgrade or ()))
    check_upgrade(specs, wanted)
    return tuple(_locked(each, *_renew(each, options, wanted, tell, vendor)) for each in specs)


def build(path: Path, options: Options, check: bool, tell: Tell) -> Built:  # noqa: FBT001 - a command-line flag
    """Build a spec's image and suite from its lock.

    Args:
        path: the spec.
        options: says where the store is.
        check: build again, whatever was built before, and compare.
        tell: is told what happens.

    Raises:
        LockError, BuildError, FetchError: it cannot be built; the message says why.
        NotReproducibleError: two builds differ.
    """
    (spec,) = open_specs([path], options)
    return build_from(spec, lock_of(spec, options, tell), options, tell, is_fresh=check)[1]


def bill(path: Path, options: Options, part: str, architecture: str | None, tell: Tell) -> Bill:
    """Return what one tree of a spec holds: built from its lock, where it is not built yet, for its digest.

    Args:
        path: the spec; its lock exists.
        options: says where the store is.
        part: ``image``, ``suite`` or ``services/NAME``.
        architecture: one of the spec's; None for this machine's own.
        tell: is told what happens.

    Raises:
        SpecError: the spec has no such tree.
        LockError, BuildError, FetchError: there is no lock, or it cannot be built; the message says why.
    """
    (spec,) = open_specs([path], options)
    tree = Tree.find(spec, part, architecture)
    lock = current_lock(spec)
    built = build_from(spec, lock, options, tell)[1]
    return tree.bill(spec, lock, built.variants, built.services)


def open_specs(paths: Sequence[Path], options: Options) -> tuple[EnvSpec, ...]:
    """Return the specs, and clear the store of what killed processes left.

    Raises:
        SpecFaults: a spec is wrong; what this version cannot do with it is a fault at its line.
    """
    specs = read_specs(paths)
    faults = [fault for each in specs for fault in unsupported(each)]
    if faults:
        raise SpecFaults(faults)
    sweep_store(options.store)
    return specs


def lock_of(spec: EnvSpec, options: Options, tell: Tell) -> Lock:
    """Return a spec's lock; one that is missing is made, unless the caller forbids it."""
    if not lock_path(spec.path).exists() and not options.locked:
        return _renew(spec, options, Upgrade(), tell)[0]
    return current_lock(spec)


def build_from(
    spec: EnvSpec,
    lock: Lock,
    options: Options,
    tell: Tell,
    *,
    is_fresh: bool = False,
    instead: ExistingImage | None = None,
) -> tuple[Builder, Built]:
    """Build what a lock names.

    Args:
        spec: whose lock it is.
        lock: of the image, the suite and the services.
        options: say where the store is.
        tell: is told what happens.
        is_fresh: whether all is built again, whatever was built before.
        instead: the image that is taken in the place of the spec's own.

    Returns:
        What was built, and its builder, which knows where it is.

    Raises:
        BuildError, FetchError: it cannot be built; the message says why.
        NotReproducibleError: two builds differ.
    """
    tell(Planned(step=Step.BUILD, count=1))
    tell(Started(step=Step.BUILD, subject=spec.name))
    with fetcher_of(spec, options.store, lock) as fetcher:
        builder = Builder(store=options.store, fetcher=fetcher, tools=TOOLS, is_fresh=is_fresh)
        variants = tuple(builder.build(spec, lock, each, instead) for each in spec.architectures)
        services = builder.build_services(spec, lock)
    index = builder.index(spec, variants) if instead is None else None
    tell(Ended(step=Step.BUILD, subject=spec.name, result=of_machine(variants).image.short))
    is_ours = instead is None and isinstance(spec.image, BuiltImage)
    locked = lock.digest if is_ours else None
    return builder, Built(variants=variants, services=services, index=index, lock=locked)


def told_of(spec: EnvSpec, built: Built, options: Options, instead: ExistingImage | None) -> Told:
    """Return what the images that exist already say of their runs; ``instead`` is one, whatever the spec's own is."""
    asked = spec.model_copy(update={"image": instead}) if instead else spec
    return Told.by(asked, of_machine(built.variants).image, built.services, options.store)


def _renew(spec: EnvSpec, options: Options, upgrade: Upgrade, tell: Tell, vendor: str = "") -> tuple[Lock, bool]:
    tell(Planned(step=Step.LOCK, count=1))
    tell(Started(step=Step.LOCK, subject=spec.name))
    new, is_changed = renew_lock(spec, options.store, upgrade, vendor)
    tell(Ended(step=Step.LOCK, subject=spec.name, result="written" if is_changed else "unchanged"))
    return new, is_changed


def _locked(spec: EnvSpec, found: Lock, changed: bool) -> Locked:  # noqa: FBT001 - it is a field
    return Locked(path=lock_path(spec.path), digest=found.digest, changed=changed)
