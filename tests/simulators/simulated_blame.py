"""Whether the truth is told: verifications of simulated apps whose cause is known, on a host of forty levels.

All but the app and its hosts is the real code: the reference is learned, the host compared, explained and judged.
Beside its cause the app's test fails by chance, in the same way, on every host.

    python tests/simulators/simulated_blame.py --trials 1000 > docs/reference/simulation.md
"""

import argparse
import random
import statistics
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from simulated_app import PLAN, SUITE, SimulatedApp, either, fails_where, flaky, passes

from pipeline.verify.environment import verify_environment
from pipeline.verify.explain import CauseState
from pipeline.verify.inquiry import Choice, Inquiry
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


def trial(causes: str, flake: int, seed: int) -> Trial:
    """Return what is said of an app drawn by ``seed``."""
    sets, size = CAUSES[causes]
    chance = random.Random(f"{causes} {flake} {seed}")
    drawn = chance.sample(FACTORS, sets * size)
    guilty = [frozenset(drawn[place : place + size]) for place in range(0, sets * size, size or 1)]
    breaks = [fails_where(**dict.fromkeys(each, "on")) for each in guilty]
    app = SimulatedApp({TEST: either(*breaks, flaky(flake / 100)), "t.py::test_y": passes}, seed=chance.getrandbits(32))
    inquiry = Inquiry(
        name="web",
        spec="envs/web.yaml",
        lock=None,
        image=PLAN.image,
        suite=SUITE,
        plan=PLAN,
        reference=REFERENCE,
        hosts=(Choice(host=HOST, named=True),),
        seed=seed,
    )
    result = verify_environment(inquiry, runner=app, check=lambda _: None, clock=lambda: 0, stop=threading.Event())
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


def table(trials: int, tell: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """Yield the rows of the table, one for each kind of cause and each rate of flakes."""
    yield "| cause | flake | exact | innocent blamed | median of reruns | 95 % of trials |"
    yield "|---|---|---|---|---|---|"
    for causes in CAUSES:
        for flake in FLAKES:
            found = [trial(causes, flake, seed) for seed in range(trials)]
            tell(f"{causes}, {flake} %")
            yield row(causes, flake, found)


def row(causes: str, flake: int, found: Sequence[Trial]) -> str:
    """Return the row of some trials."""
    reruns = sorted(each.reruns for each in found)
    exact = 100 * sum(each.is_exact for each in found) / len(found)
    unjust = 100 * sum(each.is_unjust for each in found) / len(found)
    most = reruns[int(0.95 * len(reruns))]
    return f"| {causes} | {flake} % | {exact:.1f} % | {unjust:.1f} % | {statistics.median(reruns):g} | ≤ {most} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--trials", type=int, default=1000)
    for line in table(parser.parse_args().trials, lambda done: print(done, file=sys.stderr)):
        print(line, flush=True)
