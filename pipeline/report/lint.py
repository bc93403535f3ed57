"""What lint found, for people and for programs."""

from collections.abc import Iterator, Sequence

from pipeline.lint.lint import Linted
from pipeline.lint.rule import Found, Rule, Severity
from pipeline.report.text import Ink, count, visible, wrap

SCHEMA = "https://seatrial.dev/lint/v1"

_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}
_SHOWN = 5
_INDENT = " " * 4


def render(images: Sequence[Linted], ink: Ink, *, quiet: bool = False, verbose: bool = False) -> str:
    """Return what a terminal shows: each rule once, with the first places; all of them if ``verbose``."""
    parts = [list(_image(each, ink, quiet=quiet, verbose=verbose)) for each in images]
    return "\n".join(line for part in parts for line in part) + "\n"


def document(images: Sequence[Linted]) -> dict[str, object]:
    """Return what ``--json`` prints."""
    return {"schema": SCHEMA, "images": [_document(each) for each in images]}


def _image(linted: Linted, ink: Ink, *, quiet: bool, verbose: bool) -> Iterator[str]:
    counts = [count(linted.count(each), str(each)) for each in Severity if linted.count(each)]
    yield f"{ink.paint(visible(linted.name), 'bold')}  {linted.digest.short}  {', '.join(counts) or 'nothing found'}"
    for rule, found in () if quiet else linted.findings:
        yield from _rule(rule, found, ink, len(found) if verbose else _SHOWN)


def _rule(rule: Rule, found: tuple[Found, ...], ink: Ink, shown: int) -> Iterator[str]:
    yield f"  {ink.paint(f'{rule.severity:<8}', _COLORS[rule.severity])}{rule.code}"
    for each in found[:shown]:
        yield f"{_INDENT}{_place(each)}{visible(each.what)}"
    if len(found) > shown:
        yield f"{_INDENT}and {len(found) - shown} more (--verbose)"
    yield from (f"{_INDENT}{line}" for text in (rule.why, f"fix: {rule.fix}") for line in wrap(text, ink.width - 4))


def _place(found: Found) -> str:
    layer = f"layer {found.layer}" if found.layer else ""
    if found.path:
        return f"/{visible(found.path)} ({layer}) " if layer else f"/{visible(found.path)} "
    return f"{layer}: " if layer else ""


def _document(linted: Linted) -> dict[str, object]:
    rows = [
        {
            "code": rule.code,
            "severity": str(rule.severity),
            "what": each.what,
            "path": f"/{each.path}" if each.path else None,
            "layer": each.layer or None,
            "why": rule.why,
            "fix": rule.fix,
        }
        for rule, found in linted.findings
        for each in found
    ]
    return {
        "name": linted.name,
        "image": str(linted.digest),
        "counts": {str(each): linted.count(each) for each in Severity},
        "findings": rows,
    }
