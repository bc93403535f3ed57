"""``run_once``: the suite of a spec, or a command in its place, on one host."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.build.kernels import kernels_of
from pipeline.declare.hosts import Catalogue, find
from pipeline.declare.image import ExistingImage
from pipeline.image_run import run_on
from pipeline.preparation import Options, build_from, lock_of, open_specs, told_of
from pipeline.verify.inquiry import as_here, suite_run
from runtime.backends.catalogue import Backends
from runtime.host import Host
from runtime.outcome import Outcome


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
    (spec,) = open_specs([path], options)
    base = find(spec, Catalogue.of(spec.path), host or spec.reference)
    builder, built = build_from(spec, lock_of(spec, options, _nobody), options, _nobody, instead=instead)
    chosen = as_here(Host(name=base.name, factors={**base.factors, **levels}), built.variants)
    told = told_of(spec, built, options, instead)
    bare = told.correct(suite_run(told.declare(spec), built.variants, built.services))
    plan = chosen.apply(replace(bare, argv=argv) if argv else bare)
    kernels = kernels_of(options.store)
    with Backends(builder.layers, builder.layout, kernels, destinations=destinations) as backend:
        return run_on(backend, plan, chosen, repeat, (on_stdout, on_stderr))


def _nobody(_: object) -> None:
    """Nobody watches a single run but its own output."""
