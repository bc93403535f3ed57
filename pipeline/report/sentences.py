"""What is said of one difference, in words that every format shares."""

from collections.abc import Iterable, Mapping

from pipeline.report.text import listed
from pipeline.verify.compare import Difference, Kind
from pipeline.verify.explain import Rate
from pipeline.verify.observe import FILES, SHUTDOWN
from pipeline.verify.verdict import Finding, HostResult, State

_VERBS = {"passed": "passes", "failed": "fails", "errored": "errors", "skipped": "is skipped", "missing": "is missing"}
_WORDS = {"passed", "failed", "errored"}

_TRACES = {FILES: "files that it changes", SHUTDOWN: "shutdown"}
"""Names of the artifacts that are no files."""

_OTHERS = {FILES: "are others", SHUTDOWN: "is another"}

_SHORT_DIGEST = len("sha256:") + 12


def transition(difference: Difference, hosts: Iterable[HostResult]) -> str:
    """Return what differs as a sentence: ``passed on the reference, failed on hardened``."""
    where = [host.name for host in hosts if host.state is not State.REFERENCE]
    if not where:
        return f"{_past(difference.here)} on the reference"
    on = listed(where)
    if difference.kind is Kind.TEST:
        reference, here = (_past(side, is_cut=difference.is_cut) for side in (difference.reference, difference.here))
        return f"{reference} on the reference, {here} on {on}"
    if difference.kind is Kind.EXIT:
        return f"was {difference.reference} on the reference, {difference.here} on {on}"
    if "missing" in (difference.reference, difference.here):
        sides = ("missing" if side == "missing" else "written" for side in (difference.reference, difference.here))
        return "was {} on the reference, was {} on {}".format(*sides, on)
    if difference.message:
        return f"{_OTHERS.get(difference.id, 'has other content')} on {on} (+) than on the reference (-)"
    shown = (side[:_SHORT_DIGEST] for side in (difference.reference, difference.here))
    return "is {} on the reference, {} on {}".format(*shown, on)


def title(difference: Difference) -> str:
    """Return what names a difference: a test's id as it is, all else with its kind."""
    if difference.kind is Kind.ARTIFACT and difference.id in _TRACES:
        return _TRACES[difference.id]
    return difference.id if difference.kind in {Kind.TEST, Kind.EXIT} else f"{difference.kind} {difference.id}"


def place(difference: Difference) -> tuple[str, int] | None:
    """Return the file and line where a test failed, by a path of the working tree; None for one of the image alone."""
    file = difference.file
    is_outside = file.startswith("/") or ".." in file.split("/")
    return None if not file or is_outside or difference.line < 1 else (file, difference.line)


def levels(factors: Mapping[str, str]) -> str:
    """Return factor levels as they are written on a command line, joined: ``umask=0077 and user=root``."""
    return listed([f"{name}={level}" for name, level in sorted(factors.items())])


def trial(finding: Finding) -> str:
    """Return what the reruns of a CAUSED finding showed, without a full stop; empty without counts."""
    cause = finding.cause
    if cause is None or cause.with_ is None or cause.without is None:
        return ""
    verb = happens(finding.difference)
    under = f"with {levels(cause.factors)}" if cause.factors else "there"
    without = "without" if cause.factors else "on the reference"
    chance = f", p = {cause.p_value}" if cause.p_value else ""
    return f"it {verb} {times(cause.with_)} times {under}, {times(cause.without)} {without}{chance}"


def removals(finding: Finding) -> str:
    """Return what reruns showed with one factor of several taken away, without a full stop; empty without any."""
    cause = finding.cause
    if cause is None or not cause.removed:
        return ""
    shown = [f"{times(rate)} with {name} as there" for name, rate in cause.removed.items()]
    shown[0] = shown[0].replace(" with ", " times with ", 1).removesuffix("there") + "on the reference"
    return f"it {happens(finding.difference)} {listed(shown)}"


def happens(difference: Difference) -> str:
    """Return the verb for what is seen on the differing side: ``fails``, ``is skipped``."""
    return "does not end" if difference.is_cut else _VERBS.get(difference.here, "differs")


def times(rate: Rate) -> str:
    """Return a rate in words: ``8 of 8``."""
    return f"{rate.failed} of {rate.of}"


def interval(rate: Rate) -> str:
    """Return the 95 % interval of a rate in percent: ``3 to 38 %``; empty where it is unknown."""
    try:
        low, high = (round(float(end) * 100) for end in (rate.low, rate.high))
    except ValueError:
        return ""
    return f"{low} to {high} %"


def _past(outcome: str, *, is_cut: bool = False) -> str:
    if outcome == "missing" and is_cut:
        return "did not end"
    return outcome if outcome in _WORDS else f"was {outcome}" if outcome in {"skipped", "missing"} else outcome
