"""The report for a terminal: passed first, failures last, the verdict in the last lines."""

from pipeline.report.findings import block
from pipeline.report.groups import groups
from pipeline.report.rows import host_rows
from pipeline.report.summary import caveats, closing, is_green, not_run, notes, sentence, untold
from pipeline.report.text import Ink, columns, count, listed, pad, seconds, visible, wrap
from pipeline.verify.verdict import EnvironmentResult, VerdictWord, Verification

COLOR = {VerdictWord.PASSED: "green", VerdictWord.FAILED: "red", VerdictWord.INCONCLUSIVE: "magenta"}

_ORDER = (VerdictWord.PASSED, VerdictWord.INCONCLUSIVE, VerdictWord.FAILED)
_LABEL = 10

_NOTES = 8
"""So many different notes are shown; the report's file has all."""


def render(verification: Verification, ink: Ink, *, quiet: bool = False, verbose: bool = False, saved: str = "") -> str:
    """Return the report, ending in a line feed; no line is wider than ``ink.width`` but for commands and digests.

    Args:
        verification: what was found.
        ink: what the stream can show.
        quiet: the last block only.
        verbose: every host gets a line, with its runs.
        saved: the URL of the report as a file; empty if there is none.
    """
    last = _verdict(verification, ink, saved)
    if quiet:
        return _join([last])
    green = not verification.partial and not verification.unavailable and not verbose
    green = green and all(is_green(each) for each in verification.environments)
    columns_ = _columns(verification)
    parts = [
        _environment(each, ink, columns_, green=green, verbose=verbose)
        for each in sorted(verification.environments, key=lambda each: _ORDER.index(each.verdict))
    ]
    if green:
        return _join([[line for part in parts for line in part] + _verdict(verification, ink, "")])
    return _join([*parts, _not_run(verification, ink), last])


def _environment(
    environment: EnvironmentResult, ink: Ink, widths: tuple[int, int], *, green: bool, verbose: bool
) -> list[str]:
    head = _head(environment, ink, widths)
    if green:
        return head
    head.append(ink.paint(_digests(environment, sum(widths)), "dim"))
    head += [ink.paint(line, "dim") for line in _emulated(environment, sum(widths), ink)]
    if is_green(environment) and not verbose:
        return head
    parts = [host_rows(environment, ink, verbose=verbose), _notes(environment, ink), _said(environment, ink)]
    parts += [block(group, ink) for group in groups(environment)]
    parts.append(_accepted(environment, ink))
    return _join([head, *parts]).rstrip("\n").split("\n")


def _columns(verification: Verification) -> tuple[int, int]:
    names = [min(columns(visible(each.name)), 24) for each in verification.environments]
    verdicts = [len(each.verdict) for each in verification.environments]
    return max([*names, 7]) + 2, max([*verdicts, 6]) + 3


def _head(environment: EnvironmentResult, ink: Ink, widths: tuple[int, int]) -> list[str]:
    name = pad(ink.cut(visible(environment.name), 24), widths[0])
    verdict = ink.paint(environment.verdict, COLOR[environment.verdict]) + " " * (widths[1] - len(environment.verdict))
    indent, time = sum(widths), seconds(environment.duration)
    lines = wrap(visible(sentence(environment)), ink.width - indent - len(time) - 2)
    first = name + verdict + pad(lines[0], ink.width - indent - len(time)) + time
    return [first, *(" " * indent + line for line in lines[1:])]


def _digests(environment: EnvironmentResult, indent: int) -> str:
    text = f"image {environment.image.short}"
    if environment.behavior is not None:
        text += f", behavior {environment.behavior.short}"
    return " " * min(indent, 80 - len(text)) + text


def _emulated(environment: EnvironmentResult, indent: int, ink: Ink) -> list[str]:
    """Return which levels were emulated, if any were."""
    names = sorted({name for host in environment.hosts for name in host.emulated})
    text = f"emulated here: {', '.join(names)}" if names else ""
    return [" " * indent + line for line in wrap(visible(text), ink.width - indent) if line]


def _notes(environment: EnvironmentResult, ink: Ink) -> list[str]:
    """Return the traces that differ, the first of many."""
    together = notes(environment)
    lines: list[str] = []
    for note, names in list(together.items())[:_NOTES]:
        first, *rest = wrap(visible(f"{listed(names)}: {note.text}"), ink.width - 8)
        lines += [f"  note  {first}", *(f"        {line}" for line in rest)]
    more = len(together) - _NOTES
    lines += [f"        and {count(more, 'note')} more in the report"] * (more > 0)
    return [ink.paint(line, "dim") for line in lines]


def _said(environment: EnvironmentResult, ink: Ink) -> list[str]:
    """Return what explains the verdict and is not told by a host's own lines."""
    hint = "" if environment.hint in {host.hint for host in environment.hosts} else environment.hint
    said = [*untold(environment), *caveats(environment)]
    lines = [f"  {line}" for reason in said for line in wrap(visible(reason), ink.width - 2)]
    return [*lines, *([f"  {visible(hint)}"] if hint else [])]


def _accepted(environment: EnvironmentResult, ink: Ink) -> list[str]:
    """Return every rule that accepted something, and every one that has become idle."""
    lines: list[str] = []
    for rule in environment.ignores:
        what = f"{visible(rule.test)} on {visible(rule.host)}: {visible(rule.reason)}"
        used = f"accepted {count(rule.used, 'difference')}" if rule.used else "accepted nothing, the rule can go"
        first, *rest = wrap(f"{what} ({used})", ink.width - 12)
        lines += [f"  accepted  {first}", *(f"            {line}" for line in rest)]
    return [ink.paint(line, "dim") for line in lines]


def _not_run(verification: Verification, ink: Ink) -> list[str]:
    lines: list[str] = []
    told = not_run(verification)
    shown = [listed([visible(host) for host in hosts]) for hosts, _ in told]
    width = min(max([len(each) for each in shown], default=0), 20)
    for names, (_, each) in zip(shown, told, strict=True):
        reason = visible(each.reason).rstrip(".") + "."
        start = f"{'not run':<{_LABEL}}" if not lines else " " * _LABEL
        text = f"{reason} To add it: {visible(each.hint)}" if each.hint else reason
        if len(names) <= width and len(text) <= ink.width - _LABEL - width - 3:
            lines.append(f"{start}{names:<{width}}   {text}")
            continue
        lines += [(start if not index else " " * _LABEL) + line for index, line in enumerate(wrap(names, 70))]
        lines += [f"{' ' * _LABEL}  {line}" for line in wrap(reason, 68)]
        lines += [f"{' ' * _LABEL}  To add it: {visible(each.hint)}"] * bool(each.hint)
    return lines


def _verdict(verification: Verification, ink: Ink, saved: str) -> list[str]:
    time = seconds(verification.duration)
    label = ink.paint(verification.verdict, COLOR[verification.verdict])
    indent = max(_LABEL, len(verification.verdict) + 2)
    label += " " * (indent - len(verification.verdict))
    lines = [" " * indent + line for line in wrap(visible(closing(verification)), ink.width - indent)]
    lines += [f"{' ' * indent}report  {visible(saved)}"] * bool(saved)
    if columns(lines[-1]) + len(time) + 2 <= ink.width:
        lines[-1] = pad(lines[-1], ink.width - len(time)) + time
    else:
        lines.append(" " * (ink.width - len(time)) + time)
    return [label + lines[0][indent:], *lines[1:]]


def _join(parts: list[list[str]]) -> str:
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"
