"""Why a release behaves in another way than it did before: the clock first, then what else differs in the machines.

Bytes, suite, host and normalization are the same, so what is left is what no factor of a host sets. The clock can be
set back to the time of the earlier run, and is tried as any factor is; the other facts are told side by side.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from pipeline.verify.compare import Difference
from pipeline.verify.explain import CauseState
from pipeline.verify.inquiry import Choice, Inquiry
from pipeline.verify.verdict import EnvironmentResult, HostResult, State
from runtime.data import replace as replace_host
from runtime.digest import Digest
from runtime.host import Host

DATE = "date"


class SuspectState(StrEnum):
    """What is known of a suspect."""

    CAUSED = "CAUSED"
    CLEARED = "CLEARED"
    UNTRIED = "UNTRIED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """Something that differs between two runs beside the behavior.

    Args:
        name: of the factor, or of a fact of the machine.
        before: at the earlier run.
        now: at this one.
        state: what reruns said of it.
        told: how that is known, half a sentence.
    """

    name: str
    before: str
    now: str
    state: SuspectState
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What was signed of one host earlier.

    Args:
        behavior: its behavior digest.
        ambient: facts of the machine.
        at: when, seconds since 1970.
    """

    behavior: Digest
    ambient: Mapping[str, str]
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A host on which a release behaves in another way than was signed.

    Args:
        host: its name.
        before: the behavior digest that was signed.
        now: the one that was seen; None where nothing ran.
        differences: the earlier behavior is the reference's side; none where it is not kept.
        suspects: the clock first.
    """

    host: str
    before: Digest
    now: Digest | None
    differences: tuple[Difference, ...]
    suspects: tuple[Suspect, ...]

    @property
    def cause(self) -> Suspect | None:
        """What makes the difference, as far as it was found."""
        return next((each for each in self.suspects if each.state is SuspectState.CAUSED), None)


def suspects(
    asked: Inquiry,
    host: Host,
    seen: HostResult,
    before: Before,
    *,
    now: int,
    ask: Callable[[Inquiry], EnvironmentResult],
) -> tuple[Suspect, ...]:
    """Return what can have changed how a host behaves, and what reruns say of it.

    Args:
        asked: the question; its hosts are left aside.
        host: the one that behaves in another way.
        seen: what it shows now.
        before: what was signed of it.
        now: seconds since 1970.
        ask: runs what is asked, with nothing from earlier runs.
    """
    clock = () if DATE in host.differing else (_clock(asked, host, before, now, ask),)
    names = sorted(name for name in before.ambient.keys() | seen.ambient.keys())
    differing = [name for name in names if before.ambient.get(name) != seen.ambient.get(name)]
    return (*clock, *(_fact(name, before, seen) for name in differing))


def _clock(
    asked: Inquiry, host: Host, before: Before, now: int, ask: Callable[[Inquiry], EnvironmentResult]
) -> Suspect:
    """Set the clock back to the earlier run, and see whether the host behaves as it did."""
    level = f"-{max(1, now - before.at)}s"
    then = replace_host(host, name=f"{host.name} {DATE}={level}", factors={**host.factors, DATE: level})
    found = ask(replace(asked, reference=then, hosts=(Choice(host=host, named=True),)))
    state, told = _judge(found, before)
    return Suspect(name=DATE, before=level, now="as-is", state=state, told=told)


def _judge(found: EnvironmentResult, before: Before) -> tuple[SuspectState, str]:
    then, here = found.hosts
    if then.behavior is None or then.state is not State.REFERENCE or not _took_effect(then):
        return SuspectState.UNTRIED, "; ".join(then.reasons) or "it could not be set back"
    if then.behavior != before.behavior:
        return SuspectState.CLEARED, "set back to the earlier run it behaves as now"
    causes = [each.cause for each in here.findings if each.cause is not None and DATE in each.cause.factors]
    shown = next((each for each in causes if each.state is CauseState.CAUSED), None)
    if shown is not None and shown.with_ and shown.without:
        with_, without = (f"{each.failed} of {each.of}" for each in (shown.with_, shown.without))
        return SuspectState.CAUSED, f"{with_} runs differ now, {without} with the clock of then, p {shown.p_value}"
    if here.behavior != before.behavior:
        return SuspectState.CAUSED, "set back to the earlier run it behaves as then"
    return SuspectState.UNTRIED, "it behaves as then with either clock"


def _took_effect(host: HostResult) -> bool:
    return not any(reason.startswith(f"{DATE} was not in effect") for reason in host.reasons)


def _fact(name: str, before: Before, seen: HostResult) -> Suspect:
    was, now = (facts.get(name, "unknown") for facts in (before.ambient, seen.ambient))
    return Suspect(name=name, before=was, now=now, state=SuspectState.UNTRIED, told="it cannot be set here")
