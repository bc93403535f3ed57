"""How one way compares with another: the ratio of medians over interleaved pairs, and how sure it is."""

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of medians with its bootstrap 95 % interval; ``high`` is the figure that a bar is held against."""

    value: float
    low: float
    high: float


def ratio_of_medians(ours: Sequence[float], theirs: Sequence[float], *, seed: int = 0) -> Ratio:
    """Return the ratio of the medians of two series that were measured in turns.

    Args:
        ours: one value a turn.
        theirs: as many values, of the same turns.
        seed: of the resampling, by turns: what disturbed the machine in one turn disturbed both.
    """
    if len(ours) != len(theirs) or not ours:
        raise ValueError(f"pairs are needed: got {len(ours)} and {len(theirs)} values")
    chance = random.Random(seed)  # noqa: S311 - statistics
    turns = range(len(ours))
    found = []
    for _ in range(_RESAMPLES):
        chosen = chance.choices(turns, k=len(turns))
        found.append(statistics.median(ours[i] for i in chosen) / statistics.median(theirs[i] for i in chosen))
    found.sort()
    cut = round(_RESAMPLES * 0.025)
    return Ratio(statistics.median(ours) / statistics.median(theirs), found[cut], found[-cut - 1])


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of all values lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
