"""``verify``: what is asked about specs, in the order of the stages: lock, build, observe, compare, explain, judge."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.build.kernels import kernels_of
from pipeline.declare.hosts import Catalogue, select
from pipeline.declare.image import ExistingImage
from pipeline.declare.spec import EnvSpec
from pipeline.preparation import Built, Options, Tell, build_from, lock_of, open_specs, told_of
from pipeline.verify import environment
from pipeline.verify.conclude import conclude
from pipeline.verify.inquiry import Inquiry, ask
from pipeline.verify.schedule import BackendRunner, ResultCache
from pipeline.verify.verdict import EnvironmentResult, HostResult, Verification
from runtime.backends.catalogue import Backends
from runtime.backends.native.backend import Layers
from runtime.host import Host
from runtime.oci.layout import Layout


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
    specs = open_specs(paths, options)
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
    lock = lock_of(spec, options, tell)
    reference = options.images.get(str(spec.path))
    instead = ExistingImage(from_=reference) if reference else None
    builder, built = build_from(spec, lock, options, tell, instead=instead)
    on_built(spec.path, built)
    told = told_of(spec, built, options, instead)
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


def explain(path: Path, host: str, test: str | None, options: Options, tell: Tell) -> Verification:
    """Narrow the differences of one host to their causes; with ``test``, of one test."""
    result = verify([path], replace(options, hosts=host), tell)
    if test is None:
        return result
    environments = [
        replace(each, hosts=tuple(_only(host, test) for host in each.hosts)) for each in result.environments
    ]
    return replace(result, environments=tuple(environments))


def _only(host: HostResult, test: str) -> HostResult:
    return replace(host, findings=tuple(each for each in host.findings if each.difference.id == test))


def _clock() -> int:
    return time.monotonic_ns() // 1_000_000
