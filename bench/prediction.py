"""How well a traced run of the reference predicts the guilty factor, over the seeded apps of ``tests/faults``.

    python bench/prediction.py --seed 1              where the guilty factors stand: two runs an app
    python bench/prediction.py --seed 1 --times 3    how long it takes to name the cause, too, in turns with and without

Needs the folder of a store in ``SEATRIAL_STORE``, and the network where that lacks a package.
"""



import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "faults")]

from fault import faults, read  # noqa: E402
from variants import Variant, make  # noqa: E402

from pipeline.build.kernels import kernels_of  # noqa: E402
from pipeline.declare.hosts import Catalogue, select  # noqa: E402
from pipeline.preparation import Options, build_from, lock_of, open_specs  # noqa: E402
from pipeline.verify.inquiry import Inquiry, ask  # noqa: E402
from pipeline.verify.observe import Observation, observe  # noqa: E402
from pipeline.verify.plugin import traced_files  # noqa: E402
from pipeline.verify.prediction import of_failures, predict, telling  # noqa: E402
from runtime.backends.catalogue import Backends  # noqa: E402
from runtime.host import Host  # noqa: E402

FIRST = 5
"""How many of the factors are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """Where the guilty factors stand among all; the worst of two. One that nothing speaks for is the last.

    Args:
        name: of the app.
        causes: the guilty factors.
        traced: by the traced run of the reference alone.
        both: with the way in which the tests fail on the host, too.
    """

    name: str
    causes: tuple[str, ...]
    traced: int
    both: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A variant that was built."""

    variant: Variant
    inquiry: Inquiry
    backend: Backends


def rank(prepared: Prepared) -> Rank:
    """Trace the reference once, run the first host, which is a guilty one, and say where the guilty factors stand."""
    inquiry, fails = prepared.inquiry, prepared.variant.fails
    reference, guilty = inquiry.reference, inquiry.hosts[0].host
    traced = _run(prepared, reference, is_traced=True)
    told = telling(traced.trace, fails, memory=traced.resources.peak_memory) if traced.trace else {}
    errors = {}
    if prepared.backend.refusal(guilty.apply(inquiry.plan)) is None:
        failed = _run(prepared, guilty)
        results = [result for name, result in failed.report.tests.items() if name in fails]
        errors = of_failures(results, failed.exit.signal, failed.exit.limit)
    causes = tuple(sorted(prepared.variant.fault.causes))
    return Rank(
        name=prepared.variant.fault.name,
        causes=causes,
        traced=_worst(causes, predict(told).ranked),
        both=_worst(causes, predict(told | errors).ranked),
    )


@contextmanager
def prepared(name: str, seed: int, store: Path, folder: Path) -> Iterator[Prepared]:
    """Make and build a variant."""
    variant = make(read(ROOT / "tests" / "faults" / name), seed, folder)
    options = Options(store=store, locked=True)
    (spec,) = open_specs([variant.spec], options)
    lock = lock_of(spec, options, _nobody)
    builder, built = build_from(spec, lock, options, _nobody)
    hosts = select(spec, Catalogue.of(spec.path), None)
    inquiry = ask(
        spec,
        hosts,
        variants=built.variants,
        services=built.services,
        lock=lock.digest,
        are_named=True,
        seed=seed,
        milliseconds=options.budget,
    )
    with Backends(builder.layers, builder.layout, kernels_of(store)) as backend:
        yield Prepared(variant=variant, inquiry=inquiry, backend=backend)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What it took to name a cause on one host.

    Args:
        runs: all that were made, the first ones of reference and host included.
        work: seconds of these runs together.
        seconds: until the verdict.
        is_exact: whether the cause is the right one.
    """

    runs: int
    work: float
    seconds: float
    is_exact: bool


def search(variant: Variant, store: Path, *, predicts: bool) -> Search:
    """Verify the first host that has innocent levels beside the guilty ones, anew, by the command that users have."""
    command = [sys.executable, "-m", "pipeline.cli.main", "verify", variant.spec.name, "--locked", "--json", "--fresh"]
    command += ["--hosts", "among-1", *([] if predicts else ["--no-prediction"])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SEATRIAL_STORE": str(store)}
    done = subprocess.run(
        command, cwd=variant.spec.parent, env=environment, capture_output=True, text=True, check=False
    )
    (found,) = json.loads(done.stdout)["environments"]
    causes = [each["cause"]["factors"] for each in found["hosts"][1]["differences"]]
    return Search(
        runs=found["work"]["runs"],
        work=found["work"]["seconds"],
        seconds=found["seconds"],
        is_exact=bool(causes) and all(each == variant.fault.causes for each in causes),
    )


def in_turns(variant: Variant, times: int, store: Path) -> tuple[list[Search], list[Search]]:
    """Return searches with a prediction and without, made in turns."""
    pairs = [(search(variant, store, predicts=True), search(variant, store, predicts=False)) for _ in range(times)]
    return [each for each, _ in pairs], [each for _, each in pairs]


def _run(prepared: Prepared, host: Host, *, is_traced: bool = False) -> Observation:
    bare = prepared.inquiry.plan
    plan = host.apply(replace(bare, files=(*bare.files, *(traced_files() if is_traced else ()))))
    with prepared.backend.start(plan) as running:
        return observe(running.wait(), prepared.inquiry.suite)


def _worst(causes: Iterable[str], ranked: Sequence[str]) -> int:
    return max(ranked.index(each) + 1 if each in ranked else 99 for each in causes)


def _nobody(_: object) -> None:
    pass


def main() -> None:
    """Measure, and print a line for each app and then the figures over all."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="draws the variants")
    parser.add_argument("--times", type=int, default=0, help="searches of each app, with and without a prediction")
    parser.add_argument("names", nargs="*", help="apps (all that have a cause)")
    options = parser.parse_args()
    store = Path(os.environ["SEATRIAL_STORE"])
    ranks: list[Rank] = []
    searches: tuple[list[Search], list[Search]] = ([], [])
    for name in options.names or faults():
        if not read(ROOT / "tests" / "faults" / name).causes:
            continue
        with tempfile.TemporaryDirectory() as folder, prepared(name, options.seed, store, Path(folder) / "app") as each:
            ranks.append(rank(each))
            print(
                f"{name}: {', '.join(ranks[-1].causes)}: {ranks[-1].traced} traced, {ranks[-1].both} both", flush=True
            )
            predicted, bare = in_turns(each.variant, options.times, store)
            searches[0].extend(predicted)
            searches[1].extend(bare)
    for line in figures(ranks, searches):
        print(line)


def figures(ranks: Sequence[Rank], searches: tuple[Sequence[Search], Sequence[Search]]) -> Iterator[str]:
    """Yield what is to be said over all apps."""
    for told, found in (
        ("a traced run alone", [each.traced for each in ranks]),
        ("both", [each.both for each in ranks]),
    ):
        hits = sum(each <= FIRST for each in found)
        place = statistics.median(found)
        yield f"by {told}: in the first {FIRST} for {hits} of {len(found)} apps, median place {place:g}"
    for told, made in zip(("with a prediction", "without"), searches, strict=True):
        if made:
            medians = [
                statistics.median(values) for values in zip(*((e.seconds, e.work, e.runs) for e in made), strict=True)
            ]
            exact = sum(each.is_exact for each in made)
            yield (
                f"{told}: the cause is named after {medians[0]:.1f} s (median), {medians[1]:.1f} s of runs, "
                f"{medians[2]:g} runs; right in {exact} of {len(made)}"
            )


if __name__ == "__main__":
    main()
