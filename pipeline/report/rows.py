"""One row a host, hosts that behave the same in one: same is quiet, different is loud."""

from pipeline.report.groups import reading
from pipeline.report.summary import outcomes
from pipeline.report.symbols import SYMBOLS
from pipeline.report.text import Ink, columns, count, pad, seconds, visible, wrap
from pipeline.verify.verdict import EnvironmentResult, HostResult, State, VerdictWord

_NAME = 30


def host_rows(environment: EnvironmentResult, ink: Ink, *, verbose: bool = False) -> list[str]:
    """Return the table of hosts of an environment, those that differ first, the rest in one row.

    Args:
        environment: what was found.
        ink: what the stream can show.
        verbose: one row for every host, in the order of the spec, with its time and runs.
    """
    if verbose:
        together = [[host] for host in environment.hosts]
    else:
        together = [same for same in _together(environment) if same[0].state is not State.UNAVAILABLE]
    names = [_names(same, others=not verbose and len(together) > 1) for same in together]
    width = max((min(columns(name), _NAME) for name in names), default=0)
    words = max((len(same[0].state) for same in together), default=0)
    lines: list[str] = []
    for name, same in zip(names, together, strict=True):
        lines += _row(name, same, ink, (width, words), verbose=verbose)
    return lines


def _row(name: str, same: list[HostResult], ink: Ink, widths: tuple[int, int], *, verbose: bool) -> list[str]:
    width, word_width = widths
    host = same[0]
    mark, color = SYMBOLS[host.state]
    if len(same) > 1 and host.state is State.REFERENCE:
        mark, word, color = "●", State.SAME, "dim"
    else:
        word = host.state
        color = "dim" if host.state is State.DIFFERENT and host.verdict is VerdictWord.PASSED else color
    what = _what(host, same)
    if verbose and host.runs:
        what = what.removesuffix(" behavior digest")
        cached = f", {host.cached} cached" if host.cached else ""
        what += f"; {count(host.runs, 'run')}{cached}, {seconds(host.duration)}"
    shown = ink.paint(f"{ink.symbol(mark)} {word}", color) + " " * (word_width - len(word))
    head = f"  {pad(ink.cut(name, _NAME), width)}  "
    indent = columns(head) + 2 + word_width + 3
    first, *rest = wrap(what, ink.width - indent)
    lines = [f"{head}{shown}   {first}", *(" " * indent + line for line in rest)]
    if len(name) > _NAME:  # never a name left out: the cut ones are written out below
        lines += [f"    {line}" for line in wrap(f"{name}", ink.width - 4)]
    if host.state is State.UNAVAILABLE:
        return lines
    return lines + _reasons(same, ink)


def _reasons(same: list[HostResult], ink: Ink) -> list[str]:
    lines: list[str] = []
    seen: set[str] = set()
    for host in same:
        told = () if host.findings else host.reasons  # they are in the row itself
        for reason in (*told, *([host.hint] if host.hint else [])):
            if reason not in seen:
                seen.add(reason)
                lines += [f"    {line}" for line in wrap(visible(reason), ink.width - 4)]
    return lines


def _what(host: HostResult, same: list[HostResult]) -> str:
    if host.state is State.UNAVAILABLE:
        return "not run"
    if host.findings and host.reasons:
        return "; ".join(visible(reason) for reason in host.reasons) + _notes(host)
    if host.findings:
        number = len({(each.difference.kind, each.difference.id) for each in host.findings})
        noun = "test" if all(each.difference.kind == "test" for each in host.findings) else "behavior"
        return count(number, noun) + _notes(host)
    if host.state is State.INCONCLUSIVE:
        return outcomes(host.tests) if host.tests else "nothing can be said"
    if host.state is State.REFERENCE and len(same) == 1:
        return outcomes(host.tests) + _notes(host)
    return f"{count(sum(host.tests.values()), 'test')}, the same behavior digest" + _notes(host)


def _notes(host: HostResult) -> str:
    return f", {count(len(host.notes), 'note')}" if host.notes else ""


def _together(environment: EnvironmentResult) -> list[list[HostResult]]:
    """Return hosts in the rows that they share: the differing ones by what differs, the same ones all together."""
    rows: dict[object, list[HostResult]] = {}
    for host in environment.hosts:
        findings = tuple((each.difference.id, each.difference.here, reading(each)) for each in host.findings)
        quiet = host.state in {State.REFERENCE, State.SAME} and not host.reasons and not host.notes and not findings
        alone = host.state is State.REFERENCE and not quiet
        key = "quiet" if quiet else (host.state, host.behavior, findings, host.reasons, len(host.notes), alone)
        rows.setdefault(key, []).append(host)
    order = [State.DIFFERENT, State.INCONCLUSIVE, State.FLAKY, State.UNAVAILABLE]
    last = len(order)
    return sorted(
        rows.values(),
        key=lambda same: (
            same[0].verdict is VerdictWord.PASSED,
            order.index(same[0].state) if same[0].state in order else last,
        ),
    )


def _names(same: list[HostResult], *, others: bool) -> str:
    if others and len(same) > 1 and same[0].state in {State.REFERENCE, State.SAME}:
        return f"{len(same)} others"
    return ", ".join(visible(host.name) for host in same)
