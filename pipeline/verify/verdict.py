"""``Verification``: what was found, whole. Every report renders this value and nothing else.

It holds no floating-point number and no position of a terminal; durations are milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from runtime.canonical import Json
from runtime.digest import Digest
from runtime.outcome import Calls, Ending, Fidelity, Network

if TYPE_CHECKING:  # a gate reads verdicts, and loads nothing of what made them
    from pipeline.verify.compare import Difference
    from pipeline.verify.explain import Cause
    from pipeline.verify.inquiry import Inquiry
    from pipeline.verify.normalization import Normalization
    from pipeline.verify.notes import Note


class VerdictWord(StrEnum):
    """The verdict. ``worst`` orders them."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    INCONCLUSIVE = "INCONCLUSIVE"


class State(StrEnum):
    """What became of one host."""

    REFERENCE = "REFERENCE"
    SAME = "SAME"
    DIFFERENT = "DIFFERENT"
    FLAKY = "FLAKY"
    INCONCLUSIVE = "INCONCLUSIVE"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A difference, what makes it appear, and how to see it again.

    Args:
        difference: both sides.
        cause: what reruns said; None if it was not rerun because a rule of the spec accepts it.
        reproduce: one command line, quoted for a shell; empty if there is none.
        ignored: the reason of the rule that accepts it; empty if none does.
    """

    difference: "Difference"
    cause: "Cause | None" = None
    reproduce: str = ""
    ignored: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostResult:
    """What became of one host.

    Args:
        name: the host's.
        digest: of its levels.
        factors: its levels that differ from the reference's, sorted by factor.
        state: what became of it.
        verdict: what that means for the environment.
        named: whether the spec or the stage names it, rather than a set that holds it.
        reasons: sentences that explain a verdict other than PASSED, and everything that a reader must know.
        hint: the next step, usually a command; may be empty.
        behavior: digest of its behavior; None if nothing ran.
        tests: ``passed``, ``failed``, ``errored``, ``skipped``, ``missing`` → count, of its first run.
        runs: runs made for it, reruns of the reference for it included.
        cached: how many of them came from the cache.
        duration: milliseconds of its first run.
        fidelity: the least of its levels.
        emulated: the factors whose levels were emulated, those at their defaults too, sorted.
        evidence: factor → what was found in effect.
        ambient: facts of the machine that no factor sets.
        sandbox: digest of the effective sandbox of its first run; None where nobody looked.
        calls: what the filter of system calls denied in its first run; None where nobody looked.
        network: how its first run tried to reach beyond itself; likewise.
        shutdown: how what outlived the suite ended in its first run; likewise.
        findings: sorted, worst first.
        notes: traces that differ.
    """

    name: str
    digest: Digest
    factors: Mapping[str, str]
    state: State
    verdict: VerdictWord = VerdictWord.PASSED
    named: bool = True
    reasons: tuple[str, ...] = ()
    hint: str = ""
    behavior: Digest | None = None
    tests: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    runs: int = 0
    cached: int = 0
    duration: int = 0
    fidelity: Fidelity = Fidelity.NATIVE
    emulated: tuple[str, ...] = ()
    evidence: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    ambient: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sandbox: Digest | None = None
    calls: Calls | None = None
    network: Network | None = None
    shutdown: tuple[Ending, ...] | None = None
    findings: tuple[Finding, ...] = ()
    notes: "tuple[Note, ...]" = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreUse:
    """A rule of the spec that accepted differences.

    Args:
        test: its pattern of test ids.
        host: its pattern of host names.
        reason: why they are accepted.
        used: how many differences it accepted; 0 means that the rule can go.
    """

    test: str
    host: str
    reason: str
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The runs that were made for an environment; those that were known from an earlier verification are not in it.

    Args:
        runs: how many: the reference, the hosts, and reruns of both.
        duration: milliseconds of all together.
        longest: of the longest one.
    """

    runs: int = 0
    duration: int = 0
    longest: int = 0

    def plus(self, duration: int) -> "Work":
        """Return the work with one more run, of so many milliseconds."""
        return Work(runs=self.runs + 1, duration=self.duration + duration, longest=max(self.longest, duration))


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentResult:
    """What was found of one environment.

    Args:
        name: the environment's.
        spec: path of the spec, as the user gave it.
        lock: digest of its lock; None for an image that was given.
        image: digest of the image's manifest.
        suite: the suite digest.
        normalization: digest of what was learned to be unstable on the reference; None if the reference never ran.
        unstable: the ids that were, sorted.
        verdict: the worst of its hosts'.
        headline: one sentence without a full stop.
        behavior: the reference's behavior digest; None if the reference never ran to its end.
        tests: outcome → count, of the reference.
        hosts: the reference first, then as the spec has them.
        reasons: sentences for the verdict, worst first.
        hint: the next step; may be empty.
        ignores: every rule with its use.
        duration: milliseconds from the first run to the verdict.
        hermetic: False if the suite may use the outer network.
        work: the runs that it took.
        inquiry: what was asked; None in a report that was read again.
        normalized: what ``normalization`` is the digest of; likewise.
        records: behavior digest → what it is the digest of; likewise.
    """

    name: str
    spec: str
    lock: Digest | None
    image: Digest
    suite: Digest
    normalization: Digest | None
    unstable: tuple[str, ...] = ()
    verdict: VerdictWord
    headline: str
    behavior: Digest | None
    tests: Mapping[str, int]
    hosts: tuple[HostResult, ...]
    reasons: tuple[str, ...] = ()
    hint: str = ""
    ignores: tuple[IgnoreUse, ...] = ()
    duration: int = 0
    hermetic: bool = True
    work: Work = field(default_factory=Work)
    inquiry: "Inquiry | None" = None
    normalized: "Normalization | None" = None
    records: Mapping[Digest, Mapping[str, Json]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """A host that cannot run on this machine.

    Args:
        host: its name.
        reason: why.
        hint: the command that enables it; may be empty.
    """

    host: str
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found, whole.

    Args:
        verdict: the worst of the environments'.
        headline: one sentence without a full stop.
        environments: in the order in which they were asked for.
        unavailable: every host that could not run, once, sorted by name.
        duration: milliseconds of the whole command.
        seed: plans the same runs again.
        partial: True if it was interrupted: what is missing did not run.
    """

    verdict: VerdictWord
    headline: str
    environments: tuple[EnvironmentResult, ...]
    unavailable: tuple[Unavailable, ...]
    duration: int
    seed: int
    partial: bool = False
