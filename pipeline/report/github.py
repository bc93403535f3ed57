"""The report as workflow commands of GitHub: an annotation for each cause, at the line of the test where one is known.

Source: GitHub's "Workflow commands for GitHub Actions"; actions/toolkit, packages/core/src/command.ts, for what is
escaped. Of each severity ten are shown for a step, and the rest is dropped without a word: so the last one says it.
"""

from collections.abc import Iterator, Mapping, Sequence

from pipeline.report.groups import Group, Reading, groups, key_of, rates
from pipeline.report.sentences import happens, levels, place, removals, times, title, transition, trial
from pipeline.report.summary import caveats, closing, not_run, untold
from pipeline.report.text import count, listed, visible
from pipeline.verify.explain import CauseState
from pipeline.verify.verdict import State, VerdictWord, Verification

MOST = 9
"""Annotations of one severity: GitHub shows ten for a step, and one of them is the verdict."""

_LINES = 6
"""Lines of a message that an annotation has."""


def render(verification: Verification) -> str:
    """Return the commands, a line each; the verdict is the last one, so that silence is never a signal."""
    every = [group for environment in verification.environments for group in groups(environment)]
    loud = [_difference(each) for each in every if each.reading is Reading.DIFFERENT]
    unsure = [_difference(each) for each in every if each.reading is Reading.UNDECIDED]
    unsure += [_flaky(each) for each in every if each.reading is Reading.FLAKY]
    lines = [
        *_limited("error", loud),
        *_limited("warning", [*unsure, *_inconclusive(verification)]),
        *_limited("notice", [*_notes(verification), *_absent(verification)]),
    ]
    severity = "notice" if verification.verdict is VerdictWord.PASSED else "error"
    return "".join([*lines, _command(severity, {"title": verification.verdict}, closing(verification))])


def _limited(severity: str, found: Sequence[tuple[Mapping[str, str], str]]) -> Iterator[str]:
    """Yield as many commands as are shown; the last of them tells how many are not."""
    for index, (properties, message) in enumerate(found[:MOST]):
        more = len(found) - MOST if index == MOST - 1 else 0
        yield _command(severity, properties, message + f"\nand {more} more in the report" * (more > 0))


def _command(severity: str, properties: Mapping[str, str], message: str) -> str:
    said = ",".join(f"{name}={_escaped(visible(value), ':,')}" for name, value in properties.items())
    return f"::{severity} {said}::{_escaped(visible(message, lines=True))}\n"


def _escaped(text: str, further: str = "") -> str:
    for each in f"%\r\n{further}":  # the percent sign first: the others become what begins with one
        text = text.replace(each, f"%{ord(each):02X}")
    return text


def _difference(group: Group) -> tuple[Mapping[str, str], str]:
    finding = group.findings[0]
    difference, cause = finding.difference, finding.cause
    is_caused = cause is not None and cause.state is CauseState.CAUSED
    if all(host.state is State.REFERENCE for host in group.hosts):
        heading = "Fails on the reference"
    else:
        heading = f"Differs under {levels(cause.factors)}" if cause and is_caused else "Differs, cause not found"
    said = [f"{title(difference)} {transition(difference, group.hosts)}", trial(finding), removals(finding)]
    said += [f"{count(len(group.findings) - 1, 'other')} in the same way"] * (len(group.findings) > 1)
    if cause is not None and cause.reason:
        said.append(f"the cause was not found: {cause.reason}")
    lines = ["; ".join(each for each in said if each), *difference.message.strip().split("\n")[:_LINES]]
    lines += [f"Reproduce: {finding.reproduce}"] * bool(finding.reproduce)
    return {**_place(group), "title": heading}, "\n".join(line for line in lines if line)


def _flaky(group: Group) -> tuple[Mapping[str, str], str]:
    finding = group.findings[0]
    seen = [f"{times(rate)} times on {name}" for name, rate in rates(group)[key_of(finding)]]
    where = listed(seen) if seen else f"now and then on {listed([host.name for host in group.hosts])}"
    text = f"{title(finding.difference)} {happens(finding.difference)} {where}: no host is to blame"
    return {**_place(group), "title": "Flaky"}, text


def _place(group: Group) -> Mapping[str, str]:
    """Return where the test failed; a path of the image alone would be shown nowhere."""
    found = place(group.findings[0].difference)
    return {"file": found[0], "line": str(found[1])} if found else {}


def _inconclusive(verification: Verification) -> Iterator[tuple[Mapping[str, str], str]]:
    for environment in verification.environments:
        for text in (*untold(environment), *caveats(environment)):
            yield {"title": environment.name}, text
        for host in environment.hosts:
            if host.state is State.INCONCLUSIVE and not host.findings:
                yield {"title": f"{environment.name} on {host.name}"}, "\n".join((*host.reasons, host.hint)).strip()


def _notes(verification: Verification) -> Iterator[tuple[Mapping[str, str], str]]:
    for environment in verification.environments:
        for host in environment.hosts:
            for note in host.notes:
                yield {"title": f"{environment.name} on {host.name}, a note of kind {note.kind}"}, note.text


def _absent(verification: Verification) -> Iterator[tuple[Mapping[str, str], str]]:
    for hosts, each in not_run(verification):
        heading = f"{count(len(hosts), 'host')} {'was' if len(hosts) == 1 else 'were'} not run"
        yield {"title": heading}, f"{listed(list(hosts))}: {each.reason}" + f" ({each.hint})" * bool(each.hint)
