"""Run the reference until it is known what is stable there."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import MappingProxyType

from pipeline.verify.compare import EXIT_ID, Difference, Key, Kind, behaviors, compare
from pipeline.verify.explain import Cause, CauseState, rate
from pipeline.verify.normalization import Normalization, learn_masks
from pipeline.verify.observe import Exit, Observation
from pipeline.verify.suite import TestOutcome
from pipeline.verify.verdict import Finding

USUAL = 2
"""Runs of a reference that passes and is stable, where a host differs from the first."""

FAILING = 3
"""Runs of a reference on which something fails, where hosts do not confirm that it does so every time."""

UNSTABLE = 6
"""Runs of a reference that is not stable: more of its unstable tests are found, and their rates are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What a run of a host shows.

    Args:
        levels: those of its factors that differ from the reference.
        seen: what was seen there.
    """

    levels: Mapping[str, str]
    seen: Observation


def further_runs(
    runs: tuple[Observation, ...], run: Callable[[int], Observation], witnesses: Sequence[Witness] = ()
) -> tuple[Observation, ...]:
    """Return runs of the reference and further ones.

    There are two in all, three if something fails and no hosts confirm it, six if not all are alike.

    Args:
        runs: the first ones.
        run: makes run ``index``, from 0; called in threads, as those that are needed in any case go side by side.
        witnesses: what hosts show.
    """

    def more(found: tuple[Observation, ...], count: int) -> tuple[Observation, ...]:
        missing = range(len(found), count)
        if len(missing) < 2:
            return (*found, *map(run, missing))
        with ThreadPoolExecutor(max_workers=len(missing), thread_name_prefix="reference") as pool:
            return (*found, *pool.map(run, missing))

    for _ in range(2):  # a run that fails may be the first or a later one
        is_open = any(is_failing(each) for each in runs) and not (len(runs) >= USUAL and are_confirmed(runs, witnesses))
        runs = more(runs, FAILING if is_open else USUAL)
    if any(compare(runs[0], each) for each in runs[1:]):
        runs = more(runs, UNSTABLE)
    return runs


def is_failing(observation: Observation) -> bool:
    """Tell whether a run shows any failure."""
    return observation.exit.code != 0 or bool(observation.report.count(TestOutcome.FAILED, TestOutcome.ERRORED))


def are_confirmed(runs: Sequence[Observation], witnesses: Sequence[Witness]) -> bool:
    """Tell whether hosts show, beside runs of the reference, that what fails there fails every time.

    They do if every one of them shows each failure as the first run does, and no level is common to all of them: else
    that level could be what makes a test fail on the hosts, which on the reference only failed by chance.
    """
    shared = [set(each.levels.items()) for each in witnesses]
    if not shared or set.intersection(*shared):
        return False
    plain = Normalization()
    first = behaviors(runs[0], plain)
    others = [behaviors(each, plain) for each in (*runs[1:], *(witness.seen for witness in witnesses))]
    failures = {key for each in runs for key in _failures(each)}
    return all(other.get(key) == first.get(key) for key in failures for other in others)


def _failures(observation: Observation) -> set[Key]:
    failing = observation.report.having(TestOutcome.FAILED, TestOutcome.ERRORED)
    return {(Kind.TEST, name) for name in failing} or {(Kind.EXIT, EXIT_ID)}


def learn(runs: Sequence[Observation]) -> Normalization:
    """Return what varies between runs of the reference."""
    plain = Normalization()
    differing = {(each.kind, each.id) for other in runs[1:] for each in compare(runs[0], other, plain)}
    streams = {
        name: learn_masks([each.streams[name] for each in runs])
        for name in runs[0].streams
        if all(name in each.streams for each in runs)
    }
    return Normalization(
        unstable=frozenset(name for kind, name in differing if kind is Kind.TEST),
        unstable_artifacts=frozenset(name for kind, name in differing if kind is Kind.ARTIFACT),
        masks=MappingProxyType({name: masks for name, masks in streams.items() if masks}),
    )


def typical(runs: Sequence[Observation], normalization: Normalization) -> Observation:
    """Return what the reference usually shows: its first run, with each unstable test as most runs have it.

    Otherwise a test that happened to fail there would hide that it always fails on a host.
    """
    if not normalization.unstable:
        return runs[0]
    first = runs[0]
    tests = dict(first.report.tests)
    seen = [behaviors(each, normalization) for each in runs]
    for name in sorted(normalization.unstable):
        source = runs[_usual([each.get((Kind.TEST, name)) for each in seen], name, runs)]
        tests.pop(name, None)
        if name in source.report.tests:
            tests[name] = source.report.tests[name]
    report = replace(first.report, tests=MappingProxyType(tests))
    if all(each.exit.code in (0, 1) for each in runs):
        failing = report.count(TestOutcome.FAILED, TestOutcome.ERRORED)
        return replace(first, report=report, exit=Exit(code=int(failing > 0)))
    return replace(first, report=report)


def unstable_tests(runs: Sequence[Observation], normalization: Normalization) -> tuple[Finding, ...]:
    """Return the reference's unstable tests, each with how often it does not do what it usually does.

    One that was unstable earlier, and is not in these runs, is none of them.
    """
    seen = [behaviors(each, normalization) for each in runs]
    sides = {name: [each.get((Kind.TEST, name)) for each in seen] for name in sorted(normalization.unstable)}
    return tuple(_unstable(name, runs, each) for name, each in sides.items() if len(set(each)) > 1)


def _unstable(name: str, runs: Sequence[Observation], seen: Sequence[str | None]) -> Finding:
    place = _usual(seen, name, runs)
    common, usual = runs[place], seen[place]
    other = runs[next(index for index, each in enumerate(seen) if each != usual)]
    difference = next(
        (each for each in compare(common, other) if each.id == name),
        Difference(kind=Kind.TEST, id=name, reference="", here=""),
    )
    without = rate(sum(each != usual for each in seen), len(runs))
    return Finding(difference=difference, cause=Cause(state=CauseState.FLAKY, runs=len(runs), without=without))


def _usual(seen: Sequence[str | None], name: str, runs: Sequence[Observation]) -> int:
    """Return the index of a run in which a test does what it does in most; where two are as common, one that passes."""
    counts = Counter(seen)
    passed = [each.report.outcome(name) is TestOutcome.PASSED for each in runs]
    return max(range(len(runs)), key=lambda index: (counts[seen[index]], passed[index], -index))
