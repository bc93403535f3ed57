"""One block a cause: what differs, what it said, what makes it appear, and the command that shows it again."""

from pipeline.report.groups import Group, Reading, key_of, rates
from pipeline.report.sentences import happens, interval, levels, removals, times, title, transition, trial
from pipeline.report.text import Ink, columns, count, listed, visible, wrap
from pipeline.verify.explain import Cause, CauseState
from pipeline.verify.verdict import Finding, Verification

SYMBOLS = {
    Reading.DIFFERENT: ("✕", "red"),
    Reading.FLAKY: ("≈", "yellow"),
    Reading.UNDECIDED: ("?", "magenta"),
    Reading.ACCEPTED: ("●", "dim"),
}

ALONE = 3
"""Up to so many tests that differ in the same way get a block each; more share one, with a line each."""

MESSAGE_LINES = 8
"""Lines of a message that a terminal shows; the report's file has the rest."""


def block(group: Group, ink: Ink) -> list[str]:
    """Return the lines of a group of findings: every difference is named, whatever their number."""
    if len(group.findings) <= ALONE:
        blocks = [_one(group, finding, ink) for finding in group.findings]
        return "\n\n".join("\n".join(each) for each in blocks).split("\n")
    lines = _one(group, group.findings[0], ink)
    rest = group.findings[1:]
    return [
        *lines,
        f"    {count(len(rest), 'other')} in the same way:",
        *(f"      {ink.cut(visible(title(each.difference)), ink.width - 6)}" for each in rest),
    ]


def predicted(verification: Verification, ink: Ink) -> list[str]:
    """Return what made factors likely before their levels were tried, a line for each difference that has any."""
    lines: list[str] = []
    for finding in (
        each for environment in verification.environments for host in environment.hosts for each in host.findings
    ):
        if finding.cause is not None and finding.cause.predicted:
            told = [f"{name} ({', '.join(signs)})" for name, signs in finding.cause.predicted.items()]
            title = f"{finding.difference.id}: the reference run touches: {'; '.join(told)}"
            lines += _wrapped(title, ink, 2)
    return lines


def broken(command: str, width: int) -> list[str]:
    r"""Return a command on one line, or broken once at `` -- `` by a backslash: it pastes and runs."""
    head, dashes, tail = command.partition(" -- ")
    if not dashes or columns(command) <= width:
        return [command]
    return [f"{head} \\", f"  -- {tail}"]


def _one(group: Group, finding: Finding, ink: Ink) -> list[str]:
    mark, color = SYMBOLS[group.reading]
    name = ink.cut(visible(title(finding.difference)), ink.width - 4)
    head = ink.paint(ink.symbol(mark), color) + " " + ink.paint(name, "bold")
    lines = [f"  {head}"]
    if group.reading is Reading.FLAKY:
        return lines + _flaky(group, finding, ink)
    lines += _wrapped(transition(finding.difference, group.hosts), ink, 4)
    if group.reading is Reading.ACCEPTED:
        return lines + _wrapped(f"accepted: {finding.ignored}", ink, 4)
    message = _message(finding, ink)
    told = _cause(group, finding, ink) + _reproduce(finding, ink) + _fix(finding, ink)
    if message:
        lines += ["", *message, *([""] if told else [])]
    return lines + told


def _message(finding: Finding, ink: Ink) -> list[str]:
    difference = finding.difference
    text = ink.plain(visible(difference.message.strip(), lines=True))
    written = [piece for line in text.split("\n") for piece in (wrap(line, ink.width - 6) if line.strip() else [""])]
    lines = written[:MESSAGE_LINES] if text else []
    place = f"{visible(difference.file)}:{difference.line}" if difference.file and difference.line else ""
    left = len(written) - len(lines) if text else 0
    shown = [f"      {line}" for line in lines]
    if left:
        shown.append(f"      {ink.symbol('…')} and {count(left, 'more line')} in the report")
    if place and shown and columns(shown[-1]) + columns(place) + 2 <= ink.width:
        shown[-1] += " " * (ink.width - columns(shown[-1]) - columns(place)) + ink.paint(place, "dim")
    elif place:
        shown.append(f"      {ink.paint(place, 'dim')}")
    return shown


def _cause(group: Group, finding: Finding, ink: Ink) -> list[str]:
    cause = finding.cause
    if cause is None:
        return []
    if cause.state is CauseState.CAUSED:
        shown = ink.paint(visible(levels(cause.factors)), "red")
        lines = [f"    Caused by {shown}{_share(group, cause)}:"]
        lines += [line for said in (trial(finding), removals(finding)) if said for line in _wrapped(said, ink, 6)]
        others = [levels(each) for each in cause.alternatives]
        return lines + (_wrapped(f"also by {listed(others, 'or')} alone", ink, 6) if others else [])
    lines = _wrapped(f"The cause was not found: {cause.reason.rstrip('.')}.", ink, 4)
    said = trial(finding)
    return lines + (_wrapped(said[0].upper() + said[1:] + ".", ink, 4) if said else [])


def _share(group: Group, cause: Cause) -> str:
    factors = group.hosts[0].factors
    if len(factors) <= len(cause.factors):
        return ""
    return f", {len(cause.factors)} of the {len(factors)} factors of {visible(group.hosts[0].name)}"


def _flaky(group: Group, finding: Finding, ink: Ink) -> list[str]:
    found = rates(group)[key_of(finding)]
    where = listed([host.name for host in group.hosts])
    text = f"differs now and then on {where}: no host is to blame, the test is unstable."
    if found:
        seen = ", ".join(f"{times(rate)}{' times' * (not index)} on {name}" for index, (name, rate) in enumerate(found))
        spread = ", ".join(interval(rate) for _, rate in found)
        first = "" if any(rate.failed for _, rate in found) else f"once on {where}, then "
        text = f"{happens(finding.difference)} {first}{seen}: no host is to blame, the test is unstable"
        text += f" (95 % interval{'s' * (len(found) > 1)} {spread})."
    return _wrapped(text, ink, 4) + _reproduce(finding, ink)


def _reproduce(finding: Finding, ink: Ink) -> list[str]:
    if not finding.reproduce:
        return []
    command = broken(visible(finding.reproduce), ink.width - 6)
    return ["    Reproduce it:", *(f"      {line}" for line in command)]


def _fix(finding: Finding, ink: Ink) -> list[str]:
    if finding.cause is None or not finding.cause.hint:
        return []
    first, *rest = wrap(f"Likely fix: {visible(finding.cause.hint)}", ink.width - 6)
    return [f"    {first}", *(f"      {line}" for line in rest)]


def _wrapped(text: str, ink: Ink, indent: int) -> list[str]:
    return [" " * indent + line for line in wrap(visible(text), ink.width - indent)]
