"""Whether the truth is told: verifications of simulated apps whose cause is known, on a host of forty levels.

All but the app and its hosts is the real code: the reference is learned, the host compared, explained and judged.
Beside its cause the app's test fails by chance, in the same way, on every host.

    python tests/simulators/simulated_blame.py --trials 1000 > docs/reference/simulation.md
"""

import argparse
import random
import statistics
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from simulated_app import SimulatedApp, either, fails_where, flaky, inquiry_of, passes

from pipeline.verify.environment import verify_environment
from pipeline.verify.explain import CauseState
from runtime.host import Host

TEST = "t.py::test_x"
FACTORS = tuple(f"factor-{number:02}" for number in range(40))
CAUSES = {
    "none": (0, 0),
    "one factor": (1, 1),
    "two together": (1, 2),
    "three together": (1, 3),
    "two that each suffice": (2, 1),
}
"""What breaks the test: how many sets of factors do, and how many factors each has."""

FLAKES = (0, 5, 15)
"""Per cent of runs in which the test fails by chance."""


TEXT = """# How often the cause is right

<!-- generated: python tests/simulators/simulated_blame.py --trials {trials} -->

Whether the right levels are blamed is measured where the right answer is known: on simulated apps, whose test fails
under levels that a seed draws, and beside that by chance in some share of runs, on every host and in the same way. Each
trial is a whole verification of one host that differs from the reference in {factors} levels; all but the app and its
hosts is the code that verifies real images. {trials} trials a row:

* *exact*: the levels that were drawn are named, all of them, and no others; where none were drawn, none are named. A
  test that failed by chance in most of the first runs of the reference, so that no difference was seen, is not exact;
* *innocent blamed*: a level is named that has no part in the failure;
* *reruns*: runs of the test that fails, with the reference's, after the first run of the host.
"""

PREDICTED = """
## With a prediction

A traced run of the reference says where to look first. Whatever it says, the right levels are named; a wrong prediction
costs runs. {trials} trials a row, beside the traced run:

* *right*: one of the guilty factors is among six that the trace speaks for alike;
* *wrong*: the trace speaks for every factor but the guilty.
"""

SHARE = 5
"""Of the trials, one in so many is made with each prediction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedHost(Host):
    """A host of other factors than the runtime has: each is on or off, and off on the reference."""

    def __post_init__(self):
        pass

    @property
    def differing(self):
        return MappingProxyType({name: level for name, level in sorted(self.factors.items()) if level != "off"})

    def level(self, name):
        return self.factors.get(name, "off")

    def apply(self, plan):
        return replace(plan, levels=self.differing)


REFERENCE = NumberedHost(name="reference", factors={})
HOST = NumberedHost(name="all-on", factors=dict.fromkeys(FACTORS, "on"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedFactor:
    """What one of these factors says of signs.

    Args:
        name: of the factor; the sign that speaks for it is its name, as of a function that is called so.
    """

    name: str
    signs: str = ""

    @property
    def names(self):
        return self.name


PREDICTIONS = ("absent", "right", "wrong")
"""Whether a trace says nothing, that one of the guilty and five innocent factors matter, or that any but the guilty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one verification said.

    Args:
        is_exact: whether all causes were named, and nothing else; of a test that only flakes, whether nothing was.
        is_unjust: whether a factor was named that is innocent.
        reruns: how many runs the search took, after the first run of the host.
    """

    is_exact: bool
    is_unjust: bool
    reruns: int


def trial(causes: str, flake: int, seed: int, prediction: str = "absent") -> Trial:
    """Return what is said of an app drawn by ``seed``, with one of ``PREDICTIONS``."""
    sets, size = CAUSES[causes]
    chance = random.Random(f"{causes} {flake} {seed}")
    drawn = chance.sample(FACTORS, sets * size)
    guilty = [frozenset(drawn[place : place + size]) for place in range(0, sets * size, size or 1)]
    breaks = [fails_where(**dict.fromkeys(each, "on")) for each in guilty]
    seed_of_app = chance.getrandbits(32)
    app = SimulatedApp(
        {TEST: either(*breaks, flaky(flake / 100)), "t.py::test_y": passes},
        seed=seed_of_app,
        touched=_touched(prediction, drawn, chance),
    )
    inquiry = inquiry_of(HOST, reference=REFERENCE, seed=seed)
    result = verify_environment(
        inquiry,
        runner=app,
        check=lambda _: None,
        clock=lambda: 0,
        stop=threading.Event(),
        jobs=2,
        factors=[NumberedFactor(name=name) for name in FACTORS],
    )
    blamed = [
        frozenset(levels)
        for finding in result.hosts[1].findings
        if finding.cause is not None and finding.cause.state is CauseState.CAUSED
        for levels in (finding.cause.factors, *finding.cause.alternatives)
    ]
    return Trial(
        is_exact=sorted(map(sorted, blamed)) == sorted(map(sorted, guilty)),
        is_unjust=any(each not in drawn for levels in blamed for each in levels),
        reruns=result.hosts[1].runs - 1,
    )


def _touched(prediction: str, guilty: Sequence[str], chance: random.Random) -> Mapping[str, tuple[str, ...]]:
    innocent = sorted(set(FACTORS) - set(guilty))
    match prediction:
        case "right":
            return {TEST: (*guilty[:1], *chance.sample(innocent, 5))}
        case "wrong":
            return {TEST: tuple(innocent)}
        case _:
            return {}


def document(trials: int) -> Iterator[str]:
    """Yield the lines of the page of the documentation, each as soon as it is known."""
    yield TEXT.format(trials=trials, factors=len(FACTORS))
    yield "| cause | flake | exact | innocent blamed | reruns, median | reruns, 95 % of trials |"
    yield "|---|---|---|---|---|---|"
    for causes in CAUSES:
        for flake in FLAKES:
            yield row(causes, flake, [trial(causes, flake, seed) for seed in range(trials)])
    yield from predicted(trials // SHARE)


def predicted(trials: int) -> Iterator[str]:
    """Yield the lines about predictions, each as soon as it is known."""
    yield PREDICTED.format(trials=trials)
    yield "| prediction | cause | flake | exact | innocent blamed | reruns, median | reruns, 95 % of trials |"
    yield "|---|---|---|---|---|---|---|"
    for prediction in PREDICTIONS[1:]:
        for causes in ("one factor", "two together"):
            for flake in FLAKES:
                yield predicted_row(prediction, causes, flake, trials)


def predicted_row(prediction: str, causes: str, flake: int, trials: int) -> str:
    """Return the row of some trials with a prediction."""
    found = [trial(causes, flake, seed, prediction) for seed in range(trials)]
    return f"| {prediction} {row(causes, flake, found)}"


def row(causes: str, flake: int, found: Sequence[Trial]) -> str:
    """Return the row of some trials."""
    reruns = sorted(each.reruns for each in found)
    exact, unjust = (
        100 * sum(each) / len(found) for each in ([each.is_exact for each in found], [each.is_unjust for each in found])
    )
    most = reruns[-(-95 * len(reruns) // 100) - 1]
    return f"| {causes} | {flake} % | {exact:.1f} % | {unjust:.1f} % | {statistics.median(reruns):g} | ≤ {most} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--trials", type=int, default=1000)
    for line in document(parser.parse_args().trials):
        print(line, flush=True)
