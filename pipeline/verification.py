"""What the commands do, in the order of the stages: lock, build, observe, compare, explain, judge."""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from pipeline.build.ecosystems.pypi.index import locate
from pipeline.build.fetch import Fetcher
from pipeline.build.images import Builder, Tools
from pipeline.build.lock import Lock, check_answers, lock_path, read_lock, write_lock
from pipeline.build.locking import Upgrade, make_lock
from pipeline.build.sources import read_sources
from pipeline.declare.dependencies import answers
from pipeline.declare.errors import BuildError, LockError
from pipeline.declare.faults import SpecFaults
from pipeline.declare.hosts import Catalogue, select
from pipeline.declare.image import BuiltImage
from pipeline.declare.read import read_specs
from pipeline.declare.spec import EnvSpec, JUnitResults, ResultsFormat
from pipeline.declare.unsupported import unsupported
from pipeline.verify import environment, plugin
from pipeline.verify.conclude import conclude
from pipeline.verify.judge import Flaky, Ignore, Rules
from pipeline.verify.observe import SuiteFacts, suite_digest
from pipeline.verify.schedule import BackendRunner, ResultCache
from pipeline.verify.suite import Results
from pipeline.verify.verdict import EnvironmentResult, HostResult, Verification
from runtime.backend import Unsupported
from runtime.backends.native.backend import NativeBackend
from runtime.digest import Digest
from runtime.errors import BackendError
from runtime.host import Host
from runtime.outcome import Outcome
from runtime.plan import Plan, User

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
        images: path of a spec → reference of the image that is verified instead of its own.
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
    (spec,) = read_specs([path])
    found = _lock_of(spec, options, tell)
    with _fetcher(spec, options) as fetcher:
        builder = Builder(store=options.store, fetcher=fetcher, tools=TOOLS, is_fresh=check)
        image, suite = builder.build(spec, found)
    return Built(image=image, suite=suite)


def verify(paths: Sequence[Path], options: Options, tell: Tell) -> Verification:
    """Verify every spec: lock if needed, build, run on the hosts, compare, explain, judge.

    Raises:
        SpecFaults, LockError, BuildError, FetchError: there is nothing to judge; the message says why.
        Interrupted: a signal arrived; it is the cause, and what was found is kept.
    """
    begin = _clock()
    specs = read_specs(paths)
    _refuse_unsupported(specs)
    done: list[EnvironmentResult] = []
    try:
        done.extend(_verify_one(each, options, tell) for each in specs)
    except environment.Interrupted as stop:
        found = [*done, stop.partial]
        partial = conclude(found, duration=_clock() - begin, seed=options.seed, partial=True)
        raise Interrupted(partial) from stop.__cause__
    return conclude(done, duration=_clock() - begin, seed=options.seed)


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
) -> tuple[Outcome, ...]:
    """Run a spec's suite, or a command in its place, on one host, some times.

    Args:
        subject: a spec's file, or a name in ``envs/``.
        host: its name; None for the spec's reference.
        levels: factor → level, over the host's.
        argv: the command; None for the suite's own.
        repeat: how many times.
        options: says where the store is.
        on_stdout: takes what the command writes there, as it comes.
        on_stderr: likewise.

    Raises:
        SpecFaults, LockError, BuildError, FetchError, BackendError: nothing can be run; the message says why.
    """
    path = Path(subject) if Path(subject).suffix in {".yaml", ".yml"} else Path("envs") / f"{subject}.yaml"
    (spec,) = read_specs([path])
    found = _lock_of(spec, options, lambda _: None)
    base = Catalogue.of(spec.path).host(host or spec.reference)
    chosen = _here(Host(name=base.name, factors={**base.factors, **levels}))
    with _fetcher(spec, options) as fetcher:
        builder = Builder(store=options.store, fetcher=fetcher, tools=TOOLS)
        plan = _plan(spec, *builder.build(spec, found))
        with NativeBackend(layers=builder.layers) as backend:
            wanted = chosen.apply(replace(plan, argv=argv) if argv else plan)
            missing = backend.check(wanted)
            if isinstance(missing, Unsupported):
                raise BackendError(f"cannot run on host {chosen.name!r}: {missing.reason}", hint=missing.hint)
            return tuple(_run(backend, wanted, on_stdout, on_stderr) for _ in range(repeat))


def _run(
    backend: NativeBackend, plan: Plan, on_stdout: Callable[[bytes], None], on_stderr: Callable[[bytes], None]
) -> Outcome:
    with backend.start(plan, listeners=(on_stdout, on_stderr)) as running:
        return running.wait()


def _verify_one(spec: EnvSpec, options: Options, tell: Tell) -> EnvironmentResult:
    if str(spec.path) in options.images:
        raise BuildError(f"{spec.path}: verifying another image with this spec is not supported by this version")
    found = _lock_of(spec, options, tell)
    with _fetcher(spec, options) as fetcher:
        builder = Builder(store=options.store, fetcher=fetcher, tools=TOOLS)
        image, suite = builder.build(spec, found)
        asked = _inquiry(spec, options, found, image, suite)
        stop = threading.Event()
        with NativeBackend(layers=builder.layers) as backend:
            runner = BackendRunner(
                backend=backend,
                suite=asked.suite,
                cache=ResultCache(options.store / "results", is_fresh=options.fresh),
                ambient=backend.ambient,
                jobs=threading.Semaphore(options.jobs),
                stop=stop,
            )

            def check(plan: Plan) -> Unsupported | None:
                checked = backend.check(plan)
                return checked if isinstance(checked, Unsupported) else None

            return environment.verify_environment(asked, runner=runner, check=check, clock=_clock, stop=stop, tell=tell)


def _inquiry(spec: EnvSpec, options: Options, found: Lock, image: Digest, suite: Digest) -> environment.Inquiry:
    reference, *others = select(spec, Catalogue.of(spec.path), options.hosts)
    is_named = not isinstance(options.hosts or spec.hosts, str)
    return environment.Inquiry(
        name=spec.name,
        spec=str(spec.path),
        lock=found.digest,
        image=image,
        suite=_suite_facts(spec, suite),
        plan=_plan(spec, image, suite),
        reference=_here(reference),
        hosts=tuple(environment.Choice(host=_here(each), named=is_named) for each in others),
        rules=Rules(
            flaky=Flaky(spec.flaky.value),
            ignore=tuple(Ignore(test=each.test, host=each.host, reason=each.reason) for each in spec.ignore),
        ),
        seed=options.seed,
        milliseconds=options.budget,
    )


def _suite_facts(spec: EnvSpec, tree: Digest) -> SuiteFacts:
    suite = spec.suite
    junit = suite.results.junit if isinstance(suite.results, JUnitResults) else ""
    digest = suite_digest(
        tree=tree,
        command=suite.command,
        results={"junit": junit} if junit else str(suite.results),
        timeout=suite.timeout,
        network=suite.network.value,
        artifacts=suite.artifacts,
        output=[each.value for each in suite.output],
        behavior=[each.value for each in suite.behavior],
        services={},
    )
    return SuiteFacts(
        digest=digest,
        command=suite.command,
        results=Results.JUNIT if junit else Results(str(suite.results)),
        output=tuple(each.value for each in suite.output),
        behavior=tuple(each.value for each in suite.behavior),
        shadows=suite.shadows,
    )


def _plan(spec: EnvSpec, image: Digest, suite: Digest) -> Plan:
    """Return the run of a spec's suite before any host is applied."""
    built = spec.image
    if not isinstance(built, BuiltImage):
        raise BuildError(f"{spec.path}: an image that exists already is not run by this version")
    asked = spec.suite
    results = plugin.RESULTS if asked.results == ResultsFormat.PYTEST else ""
    if isinstance(asked.results, JUnitResults):
        results = str(PurePosixPath(built.workdir) / asked.results.junit)
    return Plan(
        image=image,
        suite=suite,
        argv=asked.command,
        workdir=built.workdir,
        environment=dict(built.env),
        user=User(uid=built.user.uid, gid=built.user.uid, home=built.user.home),
        capabilities=(),
        deadline=asked.timeout,
        artifacts=asked.artifacts,
        results=results,
    )


def _here(host: Host) -> Host:
    """Return a host as a machine with one CPU can have it: with one CPU, which is another host digest."""
    if len(os.sched_getaffinity(0)) > 1 or "cpus" in host.factors:
        return host
    return replace(host, factors={**host.factors, "cpus": "1"})


def _only(host: HostResult, test: str) -> HostResult:
    return replace(host, findings=tuple(each for each in host.findings if each.difference.id == test))


def _clock() -> int:
    return time.monotonic_ns() // 1_000_000


def _refuse_unsupported(specs: Sequence[EnvSpec]) -> None:
    faults = [fault for each in specs for fault in unsupported(each)]
    if faults:
        raise SpecFaults(faults)


def _lock_of(spec: EnvSpec, options: Options, tell: Tell) -> Lock:
    """Return a spec's lock; one that is missing is made, unless the caller forbids it."""
    if not lock_path(spec.path).exists() and not options.locked:
        tell(_lock_one(spec, options, Upgrade()))
    return _checked(spec)


def _fetcher(spec: EnvSpec, options: Options) -> Fetcher:
    mirror = spec.image.debian.mirror if isinstance(spec.image, BuiltImage) else None
    sources = read_sources(os.environ, Path.home(), mirror)
    return Fetcher(options.store / "cache", sources, locate={"pypi": locate})


def _lock_one(spec: EnvSpec, options: Options, upgrade: Upgrade) -> Locked:
    path = lock_path(spec.path)
    old = _readable(path)
    now = datetime.now(UTC)
    with _fetcher(spec, options) as fetcher:
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
