"""A laboratory: runs of hybrids of two hosts, within a budget, each run made once."""

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from pipeline.verify.compare import Key, behaviors
from pipeline.verify.normalization import Normalization
from pipeline.verify.observe import Observation
from pipeline.verify.plugin import selection_file
from pipeline.verify.schedule import Cell, LostRunError, Runner
from pipeline.verify.statistics import ENOUGH, LONGEST, Decision, Tally, decide
from runtime.host import Host
from runtime.plan import Plan

Levels = frozenset[str]
"""Names of factors that have the host's level; all others have the reference's."""

NONE: Levels = frozenset()

Rerun = tuple[Levels, int]
"""A hybrid, and the number of one of its reruns, from 1."""


class BudgetError(Exception):
    """The budget is spent. It never leaves this package: what was not decided is INCONCLUSIVE."""


class Budget:
    """How much may be spent on finding causes, shared by threads.

    Args:
        runs: how many runs.
        milliseconds: how long, from the first run that is taken.
        clock: milliseconds of a monotonic clock.
        jobs: how many runs can be made at once.
    """

    def __init__(self, *, runs: int, milliseconds: int, clock: Callable[[], int], jobs: int = 1) -> None:
        self.jobs = jobs
        self._runs = runs
        self._taken = 0
        self._milliseconds = milliseconds
        self._begin: int | None = None
        self._clock = clock
        self._lock = threading.Lock()

    def take(self, keep: int = 0) -> None:
        """Take one run.

        Args:
            keep: how many runs must be left, and the time that they take at the pace so far.

        Raises:
            BudgetError: no more are left, or the time is up.
        """
        with self._lock:
            now = self._clock()
            self._begin = now if self._begin is None else self._begin
            passed = now - self._begin
            pace = passed // max(1, self._taken)
            if self._taken + keep >= self._runs or passed + keep * pace >= self._milliseconds:
                raise BudgetError
            self._taken += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A reference and a host that behaves differently.

    Args:
        plan: the run, before any host is applied.
        reference: the reference.
        host: the other host.
        seen_reference: what was seen first on the reference.
        seen_host: what was seen first on the host.
    """

    plan: Plan
    reference: Host
    host: Host
    seen_reference: Observation
    seen_host: Observation

    @property
    def differing(self) -> Mapping[str, str]:
        """The factors in which the two differ → the host's level, sorted."""
        names = sorted(self.reference.factors.keys() | self.host.factors.keys())
        return {name: self.host.level(name) for name in names if self.host.level(name) != self.reference.level(name)}

    def hybrid(self, levels: Levels) -> Host:
        """Return the reference with the host's level for some factors: with none the reference, with all the host."""
        if not levels:
            return self.reference
        if levels == self.differing.keys():
            return self.host
        chosen = {name: self.host.level(name) for name in sorted(levels)}
        name = " ".join(f"{name}={level}" for name, level in chosen.items())
        return replace(self.reference, name=name, about="", source="", factors={**self.reference.factors, **chosen})


class Laboratory:
    """Runs hybrids of a pair of hosts, each run once, and tells which behaviors it shows.

    Args:
        pair: the hosts.
        runner: makes the runs.
        budget: what they are taken from.
        normalization: what is no difference.
        seed: orders the two runs of each pair of runs.
        tests: ids of the tests to run; None runs the suite as it is.
    """

    def __init__(
        self,
        *,
        pair: Pair,
        runner: Runner,
        budget: Budget,
        normalization: Normalization,
        seed: int,
        tests: Iterable[str] | None = None,
    ) -> None:
        self.pair = pair
        self.runs = 0
        self.cached = 0
        self._runner = runner
        self._budget = budget
        self._normalization = normalization
        self._random = random.Random(f"{seed} {pair.host.digest}")  # noqa: S311 - an order, no secret
        self.is_whole = tests is None
        self._files = () if tests is None else (selection_file(tests),)
        self._seen: dict[tuple[Levels, int], Mapping[Key, str]] = {}
        self._counting = threading.Lock()
        self._reference = behaviors(pair.seen_reference, normalization)
        self._host = behaviors(pair.seen_host, normalization)

    def behavior(self, levels: Levels, index: int, keep: int = 0) -> Mapping[Key, str]:
        """Return the behaviors of rerun ``index`` (from 1) of a hybrid.

        Args:
            levels: the hybrid's.
            index: a rerun that was made before is not made again.
            keep: how many runs must then be left of the budget.

        Raises:
            BudgetError: the budget is spent.
            LostRunError: the run was lost, or a level of it was not in effect.
            FactorError: the levels cannot be combined.
        """
        if (levels, index) not in self._seen:
            self._budget.take(keep)
            self._seen[levels, index] = behaviors(self._run(levels, index), self._normalization)
        return self._seen[levels, index]

    def is_made(self, levels: Levels, index: int) -> bool:
        """Tell whether a rerun of a hybrid was made."""
        return (levels, index) in self._seen

    def next_index(self, levels: Levels) -> int:
        """Return the number of the next rerun of a hybrid: above all that were made, though one below may be lost."""
        return 1 + max((index for each, index in self._seen if each == levels), default=0)

    @property
    def has_room(self) -> bool:
        """Whether a second run at once takes no time of the first."""
        return self._budget.jobs > 1

    def seen(self, factors: Levels) -> Iterator[tuple[Levels, Mapping[Key, str]]]:
        """Yield the reruns of hybrids that have some of ``factors``, and no others, in the order in which they came."""
        for (levels, _), behavior in self._seen.items():
            if NONE < levels < factors:
                yield levels, behavior

    def pair_of_runs(self, levels: Levels, index: int) -> tuple[Mapping[Key, str], Mapping[Key, str]]:
        """Return the behaviors of a hybrid and of the reference, run side by side: what disturbs one disturbs both.

        Where the runner has no room for both, they come one after the other, in a drawn order.
        """
        self.make(self._pair(levels, index))
        return self.behavior(levels, index), self.behavior(NONE, index)

    def make(self, runs: Iterable[Rerun], keep: int = 0, beside: Sequence[Rerun] = ()) -> None:
        """Make those of some runs that were not made, side by side as far as the runner has room.

        Args:
            runs: hybrids, each with the number of a rerun.
            keep: how many runs must then be left of the budget.
            beside: runs that are welcome too; one that cannot be made is left out, and nobody is told.

        Raises:
            BudgetError, LostRunError, FactorError: as ``behavior``; what was made until then is kept.
        """
        missing = [each for each in runs if each not in self._seen]
        if not missing:
            return
        early = [each for each in beside if each not in self._seen and each not in missing]
        with ThreadPoolExecutor(max_workers=len(missing) + len(early), thread_name_prefix="rerun") as pool:
            made = [pool.submit(self.behavior, levels, index, keep) for levels, index in missing]
            for levels, index in early:
                pool.submit(self.behavior, levels, index, LONGEST)
            for each in made:
                each.result()

    def _pair(self, levels: Levels, index: int) -> tuple[tuple[Levels, int], ...]:
        order = (levels, NONE) if self._random.random() < 0.5 else (NONE, levels)
        return tuple((each, index) for each in order)

    def deviates(self, key: Key, behavior: Mapping[Key, str]) -> bool:
        """Tell whether a behavior is other than the one seen first on the reference."""
        return behavior.get(key) != self._reference.get(key)

    def seen_on_host(self, key: Key) -> str:
        """Return the behavior seen first on the host; empty where there is none of that name."""
        return self._host.get(key, "")

    def is_as_seen(self, key: Key, behavior: Mapping[Key, str]) -> bool:
        """Tell whether a behavior is the one seen first on the host."""
        return behavior.get(key) == self._host.get(key)

    def tally(
        self, keys: Iterable[Key], levels: Levels, pairs: int = LONGEST, beside: Sequence[Rerun] = ()
    ) -> dict[Key, Tally]:
        """Return a tally of each behavior under ``levels``: pairs of runs until all are decided or the budget ends.

        What the budget, or ``pairs``, left undecided has a tally for which ``decide`` says CONTINUE. To ask again goes
        on where it ended. The runs ``beside`` are made beside the first pairs, as ``make`` does.
        """
        tallies = dict.fromkeys(keys, Tally())
        if tallies:
            with suppress(BudgetError):  # met again below, where the pairs that were made are counted
                needed = range(1, min(pairs, ENOUGH) + 1)
                self.make([each for index in needed for each in self._pair(levels, index)], beside=beside)
        for index in range(1, pairs + 1):
            open_keys = [key for key, tally in tallies.items() if decide(tally) is Decision.CONTINUE]
            if not open_keys:
                break
            try:
                here, reference = self.pair_of_runs(levels, index)
            except BudgetError:
                break
            for key in open_keys:
                tallies[key] = tallies[key].plus(
                    with_failed=self.deviates(key, here), without_failed=self.deviates(key, reference)
                )
        return tallies

    def known(self, key: Key, levels: Levels) -> Tally:
        """Return the tally of a behavior of all runs under ``levels``, and of the reference, that were made."""
        shown: dict[Levels, list[bool]] = {each: [] for each in (levels, NONE)}
        for (each, _), behavior in self._seen.items():
            if each in shown:
                shown[each].append(self.deviates(key, behavior))
        return Tally(
            with_failed=sum(shown[levels]),
            with_of=len(shown[levels]),
            without_failed=sum(shown[NONE]),
            without_of=len(shown[NONE]),
        )

    def _run(self, levels: Levels, index: int) -> Observation:
        host = self.pair.hybrid(levels)
        plan = host.apply(replace(self.pair.plan, files=(*self.pair.plan.files, *self._files)))
        run = self._runner.run(Cell(plan=plan, host=host, index=index, series=self.pair.host.digest.text))
        with self._counting:
            self.runs += 1
            self.cached += run.is_cached
        broken = sorted(name for name, each in run.observation.evidence.items() if not each.holds)
        if broken:
            raise LostRunError(f"in a rerun on {host.name}, {', '.join(broken)} was not in effect")
        return run.observation
