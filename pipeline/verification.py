"""What the commands do, in the order of the stages: lock, build, observe, compare, explain, judge."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from pipeline.bills.bill import Bill
from pipeline.bills.trees import Tree
from pipeline.build.images import Builder
from pipeline.build.kernels import kernels_of
from pipeline.build.layers import Tools
from pipeline.build.leftovers import sweep_store
from pipeline.build.lock import Lock, lock_path
from pipeline.build.locks import check_upgrade, current_lock, fetcher_of, renew_lock
from pipeline.build.upgrade import Upgrade
from pipeline.declare.faults import SpecFaults
from pipeline.declare.hosts import Catalogue, find, select
from pipeline.declare.image import BuiltImage, ExistingImage
from pipeline.declare.read import read_specs
from pipeline.declare.spec import EnvSpec
from pipeline.declare.unsupported import unsupported
from pipeline.existing_run import Told
from pipeline.image_run import run_on
from pipeline.report.events import Ended, Planned, Started, Step
from pipeline.verify import environment, plugin
from pipeline.verify.conclude import conclude
from pipeline.verify.inquiry import Inquiry, as_here, ask, of_machine, suite_run
from pipeline.verify.offers import Examination, examine_machine
from pipeline.verify.schedule import BackendRunner, ResultCache
from pipeline.verify.verdict import EnvironmentResult, HostResult, Verification
from runtime.backends.catalogue import Backends
from runtime.backends.native.backend import Layers
from runtime.digest import Digest
from runtime.host import Host
from runtime.oci.layout import Layout
from runtime.outcome import Outcome
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


class Interrupted(Exception):  # noqa: N818 - not an error: what was found until then is worth showing
    """A verification was stopped; ``partial`` is what it had found, and the cause says by what."""

    def __init__(self, partial: Verification) -> None:
        super().__init__("interrupted")
        self.partial = partial


def verify(
    paths: Sequence[Path],
    options: Options,
    tell: Tell,
    on_built: Callable[[Path, Built], None] = lambda _path, _built: None,
) -> Verification:
    """Verify every spec: lock if needed, build, run on the hosts, compare, explain, judge.

    Args:
        paths: the specs.
        options: what is wished.
        tell: is told what happens.
        on_built: takes what each spec was built to.

    Raises:
        SpecFaults, SpecError, LockError, BuildError, FetchError: there is nothing to judge; the message says why.
        Interrupted: a signal arrived; it is the cause, and what was found is kept.
    """
    begin = _clock()
    specs = _open(paths, options)
    hosts = [select(each, Catalogue.of(each.path), options.hosts, options.seed) for each in specs]
    done: list[EnvironmentResult] = []
    try:
        for each, chosen in zip(specs, hosts, strict=True):
            done.append(_verify_one(each, chosen, options, tell, on_built))
    except (environment.Interrupted, KeyboardInterrupt) as stop:
        cause: BaseException | None = stop
        if isinstance(stop, environment.Interrupted):
            done.append(stop.partial)
            cause = stop.__cause__
        if not done:
            raise
        unbegun = [each.name for each in specs[len(done) :]]
        found = conclude(done, duration=_clock() - begin, seed=options.seed, partial=True, unbegun=unbegun)
        raise Interrupted(found) from cause
    return conclude(done, duration=_clock() - begin, seed=options.seed)


def _verify_one(
    spec: EnvSpec, hosts: Sequence[Host], options: Options, tell: Tell, on_built: Callable[[Path, Built], None]
) -> EnvironmentResult:
    lock = _lock_of(spec, options, tell)
    reference = options.images.get(str(spec.path))
    instead = ExistingImage(from_=reference) if reference else None
    builder, built = _build(spec, lock, options, tell, instead=instead)
    on_built(spec.path, built)
    told = _told(spec, built, options, instead)
    asked = ask(
        told.declare(spec),
        hosts,
        variants=built.variants,
        services=built.services,
        lock=lock.digest,
        are_named=not isinstance(options.hosts or spec.hosts, str),
        seed=options.seed,
        milliseconds=options.budget,
        fail_fast=options.fail_fast,
        predicts=options.predict,
    )
    named = f"{spec.path}={reference}" if reference else asked.spec
    asked = replace(asked, plan=told.correct(asked.plan), spec=named)
    return answer(asked, builder.layers, builder.layout, options, tell)


def answer(asked: Inquiry, layers: Layers, layout: Layout, options: Options, tell: Tell) -> EnvironmentResult:
    """Run what is asked about one environment on its hosts, compare, explain and judge.

    Args:
        asked: all of it.
        layers: where the unpacked layers of the image, the suite and the services are.
        layout: where their manifests and packed layers are.
        options: say where the store is, how many runs there are at once, and whether earlier ones are left aside.
        tell: is told what happens.

    Raises:
        environment.Interrupted: a signal arrived; it is the cause, and what was found is kept.
    """
    stop = threading.Event()
    result = None
    try:
        with Backends(layers, layout, kernels_of(options.store)) as backend:
            runner = BackendRunner(
                backend=backend,
                suite=asked.suite,
                cache=ResultCache(options.store / "results", is_fresh=options.fresh),
                ambient=backend.ambient,
                jobs=threading.Semaphore(options.jobs),
                stop=stop,
            )
            result = environment.verify_environment(
                asked,
                runner=runner,
                check=backend.refusal,
                clock=_clock,
                stop=stop,
                jobs=options.jobs,
                cost=backend.cost,
                known=runner.known,
                tell=tell,
            )
    except KeyboardInterrupt as signal:
        if result is None:
            raise
        raise environment.Interrupted(result) from signal  # it came while the backend was closing
    return result


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
    specs = _open(paths, options)
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
    (spec,) = _open([path], options)
    return _build(spec, _lock_of(spec, options, tell), options, tell, is_fresh=check)[1]


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
    (spec,) = _open([path], options)
    tree = Tree.find(spec, part, architecture)
    lock = current_lock(spec)
    built = _build(spec, lock, options, tell)[1]
    return tree.bill(spec, lock, built.variants, built.services)


def explain(path: Path, host: str, test: str | None, options: Options, tell: Tell) -> Verification:
    """Narrow the differences of one host to their causes; with ``test``, of one test."""
    result = verify([path], replace(options, hosts=host), tell)
    if test is None:
        return result
    environments = [
        replace(each, hosts=tuple(_only(host, test) for host in each.hosts)) for each in result.environments
    ]
    return replace(result, environments=tuple(environments))


def run_once(  # noqa: PLR0917 - as the verb calls it
    subject: str,
    host: str | None,
    levels: Mapping[str, str],
    argv: tuple[str, ...] | None,
    repeat: int,
    options: Options,
    on_stdout: Callable[[bytes], None],
    on_stderr: Callable[[bytes], None],
    *,
    destinations: bool = False,
) -> tuple[Outcome, ...]:
    """Run a spec's suite, or a command in its place, on one host, some times.

    Args:
        subject: a spec's file, or a name in ``envs/``, perhaps with ``=IMAGE``: another image in place of its own.
        host: its name, one that the spec declares too; None for the spec's reference.
        levels: factor → level, over the host's.
        argv: the command; None for the suite's own.
        repeat: how many times.
        options: says where the store is.
        on_stdout: takes what the command writes there, as it comes.
        on_stderr: likewise.
        destinations: whether the runs tell the destinations that they name.

    Raises:
        SpecFaults, LockError, BuildError, FetchError, BackendError: nothing can be run; the message says why.
    """
    name, _, reference = (subject, "", "") if Path(subject).exists() else subject.partition("=")
    path = Path(name) if Path(name).suffix in {".yaml", ".yml"} else Path("envs") / f"{name}.yaml"
    instead = ExistingImage(from_=reference) if reference else None
    (spec,) = _open([path], options)
    base = find(spec, Catalogue.of(spec.path), host or spec.reference)
    builder, built = _build(spec, _lock_of(spec, options, _nobody), options, _nobody, instead=instead)
    chosen = as_here(Host(name=base.name, factors={**base.factors, **levels}), built.variants)
    told = _told(spec, built, options, instead)
    bare = told.correct(suite_run(told.declare(spec), built.variants, built.services))
    plan = chosen.apply(replace(bare, argv=argv) if argv else bare)
    kernels = kernels_of(options.store)
    with Backends(builder.layers, builder.layout, kernels, destinations=destinations) as backend:
        return run_on(backend, plan, chosen, repeat, (on_stdout, on_stderr))


def examine(paths: Sequence[Path], options: Options) -> Examination:
    """Return what this machine can do, and which hosts the specs name.

    Raises:
        SpecFaults: a spec is wrong.
    """
    specs = read_specs(paths)
    catalogue = Catalogue.of(paths[0] if paths else Path("envs/spec.yaml"))
    named = {
        host.name
        for spec in specs
        if not isinstance(options.hosts or spec.hosts, str)
        for host in select(spec, catalogue, options.hosts, options.seed)
    }
    return examine_machine(catalogue, named)


def offers(pattern: Path, options: Options) -> Examination:
    """Return every host of the catalogue that a spec at ``pattern`` would see, and whether it can run here."""
    return examine_machine(Catalogue.of(pattern), (options.hosts or "").split(","))


def _open(paths: Sequence[Path], options: Options) -> tuple[EnvSpec, ...]:
    """Return the specs, and clear the store of what killed processes left.

    What this version cannot do with a spec is a fault at its line.
    """
    specs = read_specs(paths)
    faults = [fault for each in specs for fault in unsupported(each)]
    if faults:
        raise SpecFaults(faults)
    sweep_store(options.store)
    return specs


def _lock_of(spec: EnvSpec, options: Options, tell: Tell) -> Lock:
    """Return a spec's lock; one that is missing is made, unless the caller forbids it."""
    if not lock_path(spec.path).exists() and not options.locked:
        return _renew(spec, options, Upgrade(), tell)[0]
    return current_lock(spec)


def _renew(spec: EnvSpec, options: Options, upgrade: Upgrade, tell: Tell, vendor: str = "") -> tuple[Lock, bool]:
    tell(Planned(step=Step.LOCK, count=1))
    tell(Started(step=Step.LOCK, subject=spec.name))
    new, is_changed = renew_lock(spec, options.store, upgrade, vendor)
    tell(Ended(step=Step.LOCK, subject=spec.name, result="written" if is_changed else "unchanged"))
    return new, is_changed


def _build(
    spec: EnvSpec,
    lock: Lock,
    options: Options,
    tell: Tell,
    *,
    is_fresh: bool = False,
    instead: ExistingImage | None = None,
) -> tuple[Builder, Built]:
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


def _told(spec: EnvSpec, built: Built, options: Options, instead: ExistingImage | None) -> Told:
    """Return what the images that exist already say of their runs; ``instead`` is one, whatever the spec's own is."""
    asked = spec.model_copy(update={"image": instead}) if instead else spec
    return Told.by(asked, of_machine(built.variants).image, built.services, options.store)


def _locked(spec: EnvSpec, found: Lock, changed: bool) -> Locked:  # noqa: FBT001 - it is a field
    return Locked(path=lock_path(spec.path), digest=found.digest, changed=changed)


def _only(host: HostResult, test: str) -> HostResult:
    return replace(host, findings=tuple(each for each in host.findings if each.difference.id == test))


def _clock() -> int:
    return time.monotonic_ns() // 1_000_000


def _nobody(_: object) -> None:
    """Nobody watches a single run but its own output."""
