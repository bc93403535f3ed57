"""What every format counts and says: made once here, so that no two formats can disagree."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.report.groups import Reading, groups, reading
from pipeline.report.text import count, listed
from pipeline.verify.compare import Kind
from pipeline.verify.notes import Note
from pipeline.verify.suite import TestOutcome
from pipeline.verify.verdict import (
    EnvironmentResult,
    State,
    Unavailable,
    VerdictWord,
    Verification,
)
from runtime.outcome import Fidelity

RAN = frozenset({State.REFERENCE, State.SAME, State.DIFFERENT, State.FLAKY})
"""The states of a host that was observed and whose levels held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What is counted of one environment.

    Args:
        tests: tests on the reference, and those that only another host has, as a file that cannot be collected there.
        hosts: hosts that were asked for, the reference included.
        ran: those that were observed.
        different: distinct behaviors that differ on some host (or fail on the reference).
        flaky: distinct behaviors that are unstable, and differ on no host.
        undecided: distinct behaviors of which neither can be said.
        accepted: distinct behaviors that rules of the spec accept.
        not_run: hosts that are unavailable here.
    """

    tests: int
    hosts: int
    ran: int
    different: int
    flaky: int
    undecided: int
    accepted: int
    not_run: int


def counts(environment: EnvironmentResult) -> Counts:
    """Count an environment; every format shows these numbers."""
    seen: dict[Reading, set[tuple[Kind, str]]] = {each: set() for each in Reading}
    elsewhere: set[str] = set()
    for host in environment.hosts:
        for finding in host.findings:
            if finding.difference.kind is Kind.TEST and finding.difference.reference == TestOutcome.MISSING:
                elsewhere.add(finding.difference.id)
            seen[reading(finding)].add((finding.difference.kind, finding.difference.id))
    different = seen[Reading.DIFFERENT]
    undecided = seen[Reading.UNDECIDED] - different
    flaky = seen[Reading.FLAKY] - different - undecided
    return Counts(
        tests=sum(environment.tests.values()) + len(elsewhere),
        hosts=len(environment.hosts),
        ran=sum(host.state in RAN for host in environment.hosts),
        different=len(different),
        flaky=len(flaky),
        undecided=len(undecided),
        accepted=len(seen[Reading.ACCEPTED]),
        not_run=sum(host.state is State.UNAVAILABLE for host in environment.hosts),
    )


def outcomes(tests: Mapping[str, int]) -> str:
    """Return counts by outcome, the zeros left out: ``209 passed, 3 skipped``."""
    named = [f"{number} {name}" for name, number in tests.items() if number]
    return ", ".join(named) or "no test ran"


def hosts_phrase(found: Counts) -> str:
    """Return on how many hosts it ran: ``14 hosts``, ``13 of 14 hosts``."""
    return count(found.hosts, "host") if found.ran == found.hosts else f"{found.ran} of {count(found.hosts, 'host')}"


def sentence(environment: EnvironmentResult) -> str:
    """Return what is to be said of an environment in one line."""
    found = counts(environment)
    where = hosts_phrase(found)
    reference = next((host for host in environment.hosts if host.state is State.REFERENCE), None)
    by_itself = reference is not None and reference.verdict is VerdictWord.FAILED
    if environment.verdict is not VerdictWord.PASSED and (by_itself or not found.different):
        return _said(environment)
    asides = [f"{found.flaky} {_is(found.flaky)} flaky"] * bool(found.flaky)
    asides += [f"{found.undecided} {_is(found.undecided)} undecided"] * bool(found.undecided)
    asides += [f"{found.accepted} {_is(found.accepted)} accepted"] * bool(found.accepted)
    if not found.different:
        verb = "behaves" if found.tests == 1 else "behave"
        return ", ".join([f"{count(found.tests, 'test')} {verb} the same on {where}", *asides])
    verb = "differs" if found.different == 1 else "differ"
    what = f"{found.different} of {count(found.tests, 'test')} {verb}"
    if not all(group.findings[0].difference.kind is Kind.TEST for group in groups(environment)):
        what = f"{count(found.different, 'behavior')} {verb}"
    return f"{', '.join([what, *asides])}{',' * bool(asides)} on {where}"


def closing(verification: Verification) -> str:
    """Return the sentence of the whole verification, with what may move on, ending in a full stop."""
    total = len(verification.environments)
    good = sum(each.verdict is VerdictWord.PASSED for each in verification.environments)
    parts = [verification.headline.rstrip(".")]
    if verification.partial:
        parts.append("Interrupted: what is missing did not run")
    if total > 1 and verification.verdict is not VerdictWord.PASSED:
        parts.append(f"{good} of {total} may move on")
    return " ".join(f"{part}." for part in parts if part)


def not_run(verification: Verification) -> tuple[tuple[tuple[str, ...], Unavailable], ...]:
    """Return the hosts that did not run, those with one reason and one remedy together."""
    together: dict[tuple[str, str], list[Unavailable]] = {}
    for each in verification.unavailable:
        together.setdefault((each.reason, each.hint), []).append(each)
    return tuple((tuple(each.host for each in same), same[0]) for same in together.values())


def notes(environment: EnvironmentResult) -> Mapping[Note, list[str]]:
    """Return the traces that differ, each once with the hosts that show it; no verdict rests on them."""
    together: dict[Note, list[str]] = {}
    for host in environment.hosts:
        for note in host.notes:
            together.setdefault(note, []).append(host.name)
    return together


def untold(environment: EnvironmentResult) -> tuple[str, ...]:
    """Return the reasons of an environment that are not those of its hosts: they are told there."""
    told = {
        said for host in environment.hosts for reason in host.reasons for said in (reason, f"{host.name}: {reason}")
    }
    return tuple(reason for reason in environment.reasons if reason not in told)


def caveats(environment: EnvironmentResult) -> tuple[str, ...]:
    """Return what limits how far all that was seen can be trusted, a sentence each."""
    found = [] if environment.hermetic else ["the suite may reach the outer network: these runs are not hermetic"]
    ran = [host for host in environment.hosts if host.state is not State.UNAVAILABLE]
    advisory = [host.name for host in ran if host.fidelity is Fidelity.ADVISORY]
    if advisory:
        where = "every host" if len(advisory) == len(ran) else listed(advisory)
        found.append(f"advisory on {where}: what imitates it may show quirks of its own")
    return tuple(found)


def is_green(environment: EnvironmentResult) -> bool:
    """Tell whether there is nothing to be said of an environment but that it passed."""
    quiet = all(
        host.state is State.UNAVAILABLE
        or (host.state in {State.REFERENCE, State.SAME} and not host.reasons and not host.findings and not host.notes)
        for host in environment.hosts
    )
    rules = any(rule.used for rule in environment.ignores)
    return environment.verdict is VerdictWord.PASSED and quiet and not rules and not caveats(environment)


def _said(environment: EnvironmentResult) -> str:
    """Return the headline without what the row already says: the name and the verdict."""
    text = environment.headline
    for known in (" is inconclusive: ", " does not pass by itself: "):
        text = text.removeprefix(environment.name + known)
    return text


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
