"""A simulated app on simulated hosts: its tests are functions of levels, of the number of the run, and of chance.

It implements the same protocol as the runner of real backends, so that explaining and judging run unchanged on it.
"""

import json
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pipeline.verify.inquiry import Choice, Inquiry
from pipeline.verify.observe import Exit, Observation, SuiteFacts
from pipeline.verify.schedule import Cell, LostRunError, Run
from pipeline.verify.suite import Results, TestOutcome, TestReport, TestResult
from runtime.digest import Digest
from runtime.host import Host
from runtime.outcome import Evidence, Fidelity, Limit
from runtime.plan import SELECTION, Plan, User
from runtime.trace import Trace

SUITE = SuiteFacts(digest=Digest.of(b"suite"), command=("python3", "-m", "pytest", "-q", "tests"))
REFERENCE = Host(name="reference", factors={})
PLAN = Plan(
    image=Digest.of(b"image"),
    suite=Digest.of(b"tree"),
    argv=SUITE.command,
    workdir="/app",
    environment={"PATH": "/usr/bin", "LANG": "C.UTF-8"},
    user=User(uid=1000, gid=1000, home="/home/app"),
    capabilities=(),
)


def inquiry_of(*hosts: Host, reference: Host = REFERENCE, plan: Plan = PLAN, named: bool = True, **options) -> Inquiry:
    """Return what is asked about a simulated app on some hosts; ``options`` are further fields of the inquiry."""
    return Inquiry(
        name="web",
        spec="envs/web.yaml",
        lock=None,
        image=plan.image,
        suite=SUITE,
        plan=plan,
        reference=reference,
        hosts=tuple(Choice(host=each, named=named) for each in hosts),
        **options,
    )


Levels = Mapping[str, str]
Behavior = Callable[[Levels, random.Random], TestOutcome]


def passes(levels: Levels, chance: random.Random) -> TestOutcome:
    return TestOutcome.PASSED


def fails(levels: Levels, chance: random.Random) -> TestOutcome:
    return TestOutcome.FAILED


def fails_where(outcome: TestOutcome = TestOutcome.FAILED, **wanted: str) -> Behavior:
    """Return a test that has another outcome where all the levels hold; ``_`` in a name stands for ``-``."""
    levels_wanted = {name.replace("_", "-"): level for name, level in wanted.items()}

    def behavior(levels: Levels, chance: random.Random) -> TestOutcome:
        return outcome if levels_wanted.items() <= levels.items() else TestOutcome.PASSED

    return behavior


def flaky(rate: float) -> Behavior:
    def behavior(levels: Levels, chance: random.Random) -> TestOutcome:
        return TestOutcome.FAILED if chance.random() < rate else TestOutcome.PASSED

    return behavior


def either(*behaviors: Behavior) -> Behavior:
    """Return a test that fails if any of some would."""

    def behavior(levels: Levels, chance: random.Random) -> TestOutcome:
        outcomes = [each(levels, chance) for each in behaviors]
        return next((each for each in outcomes if each is not TestOutcome.PASSED), TestOutcome.PASSED)

    return behavior


@dataclass
class SimulatedApp:
    """A runner of simulated runs.

    Args:
        tests: id → what becomes of it.
        seed: of the chance that flaky tests depend on.
        ends: how a run ends under some levels, where its tests do not say it.
        ineffective: factors that do not take effect.
        fidelity: factor → fidelity of its levels, native if not named.
        lost: factors whose levels lose every run.
        change: changes an observation before it is returned.
        needs_whole_suite: tests that break only where all run.
        touched: id of a test → functions that it calls, as a traced run tells.
        needs_before: id of a test that breaks only after another one → the other one's.
        fails_alone: those of them that fail without the other one, wherever they run.
    """

    tests: Mapping[str, Behavior]
    seed: int = 0
    ends: Callable[[Levels], Exit | None] = lambda _: None
    ineffective: frozenset[str] = frozenset()
    fidelity: Mapping[str, Fidelity] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    change: Callable[[Observation, Levels], Observation] = lambda observation, _: observation
    needs_whole_suite: frozenset[str] = frozenset()
    touched: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    needs_before: Mapping[str, str] = field(default_factory=dict)
    fails_alone: frozenset[str] = frozenset()
    source: Results = Results.PYTEST
    runs: int = 0
    kept: dict[Digest, Observation] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, cell: Cell) -> Run:
        key = cell.key(SUITE.digest, Digest.of(b"machine"))
        with self.lock:
            if key in self.kept:
                return Run(observation=self.kept[key], is_cached=True)
            if self.lost & cell.host.differing.keys():
                raise LostRunError("the run was lost")
            self.runs += 1
            self.kept[key] = observation = self._observation(cell)
        return Run(observation=observation, is_cached=False)

    def _observation(self, cell: Cell) -> Observation:
        levels = cell.host.differing
        selected = next((json.loads(each.content) for each in cell.plan.files if each.path == SELECTION), None)
        results = {}
        for name, behavior in self.tests.items():
            if selected is not None and name not in selected:
                continue
            # Not by the plan's digest: whatever a plan comes to say more, the same seed is the same chance.
            run = f"{cell.host.digest} {cell.index} {cell.series} {selected is None}"
            chance = random.Random(f"{self.seed} {run} {name}")
            outcome = behavior(levels, chance)
            needed = self.needs_before.get(name, "")
            lacks = needed and (
                levels.get("test-order") == "reverse" or (selected is not None and needed not in selected)
            )
            if lacks or (selected is not None and name in self.needs_whole_suite):
                outcome = TestOutcome.FAILED if name in self.fails_alone else TestOutcome.PASSED
            results[name] = result(name, outcome)
        failing = any(each.outcome in (TestOutcome.FAILED, TestOutcome.ERRORED) for each in results.values())
        ended = self.ends(levels) or Exit(code=int(failing) if results else 5)
        observation = Observation(
            suite=SUITE.digest,
            report=TestReport(
                source=self.source,
                tests={name: each for name, each in results.items() if each.outcome is not TestOutcome.MISSING},
                collected=tuple(results),
            ),
            exit=ended,
            evidence={
                name: Evidence(
                    found="other" if name in self.ineffective else level,
                    holds=name not in self.ineffective,
                    fidelity=self.fidelity.get(name, Fidelity.NATIVE),
                )
                for name, level in levels.items()
            },
            trace=self._trace() if cell.plan.is_traced else None,
            duration=10,
        )
        return self.change(observation, levels)

    def _trace(self) -> Trace | None:
        if not self.touched:
            return None
        signs = {test: {f"calls {each}": 1 for each in names} for test, names in self.touched.items()}
        return Trace(tests={Trace.key(test): found for test, found in signs.items()})


def result(name: str, outcome: TestOutcome) -> TestResult:
    failed = outcome in (TestOutcome.FAILED, TestOutcome.ERRORED)
    return TestResult(
        id=name,
        outcome=outcome,
        phase="call",
        reason="skipped here" if outcome is TestOutcome.SKIPPED else "",
        exception="AssertionError" if failed else "",
        message="AssertionError: no" if failed else "",
        file=name.partition("::")[0] if failed else "",
        line=7 if failed else 0,
    )


OOM = Exit(limit=Limit.OOM)
