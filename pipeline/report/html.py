"""The report as one page: everything is in the file, which asks nothing of a network and runs nothing of a stranger.

It is a function of the ``Verification`` alone, so the same report gives the same bytes. It can be read without its
style and without its script, which only copies and switches the colors; both are let in by their hashes, and nothing
else is.
"""

import base64
import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from pipeline.report.groups import Group, Reading, groups, key_of, rates
from pipeline.report.sentences import interval, levels, times, title, transition
from pipeline.report.summary import caveats, not_run, outcomes, sentence, untold
from pipeline.report.text import count, seconds, visible
from pipeline.verify.compare import Kind
from pipeline.verify.explain import CauseState, Rate
from pipeline.verify.verdict import EnvironmentResult, HostResult, State, VerdictWord, Verification

MOST = 200
"""So many causes have a card and a row; a sentence counts the others, which report.json has."""

OPEN = 3
"""So many cards are open, the others a line until one opens them."""

DOTS = 20
"""A trial of no more runs is drawn, a square each."""

SYMBOLS = {
    VerdictWord.PASSED: "✓",
    VerdictWord.FAILED: "✕",
    VerdictWord.INCONCLUSIVE: "?",
    State.REFERENCE: "◆",
    State.SAME: "●",
    State.DIFFERENT: "✕",
    State.FLAKY: "≈",
    State.UNAVAILABLE: "\N{EN DASH}",
    Reading.DIFFERENT: "✕",
    Reading.FLAKY: "≈",
    Reading.UNDECIDED: "?",
    Reading.ACCEPTED: "●",
}
"""Each stands beside its word; State.INCONCLUSIVE and the verdict's word are the same text."""


_SAID = (
    *(caveats, count, interval, key_of, levels, not_run, outcomes, rates),
    *(seconds, sentence, times, title, transition, untold),
)
"""What every format says in the same words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Hosts that behave alike: one column of the table of tests and hosts.

    Args:
        hosts: at least one; the reference is the first of its own.
    """

    hosts: tuple[HostResult, ...]

    @property
    def name(self) -> str:
        """Who they are: the first by name, and how many more."""
        rest = len(self.hosts) - 1
        return self.hosts[0].name + (f" and {count(rest, 'host')}" if rest else "")

    def shows(self, group: Group) -> HostResult | None:
        """Return the first host of this column on which a group of findings was seen."""
        names = {host.name for host in group.hosts}
        return next((host for host in self.hosts if host.name in names), None)


def render(verification: Verification) -> str:
    """Return the page, ending in a line feed."""
    style, script = _part("page.css"), _part("page.js")
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; form-action 'none'"
    return compiled_page().render(
        verification=verification,
        cards=[(environment, group) for environment in verification.environments for group in groups(environment)],
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - likewise
        policy=policy,
    )


@functools.cache
def compiled_page() -> Template:
    """Return the page's template; the first call takes a tenth of a second."""
    return _templates().get_template("page.html.j2")


def columns(environment: EnvironmentResult) -> tuple[Column, ...]:
    """Return the hosts of an environment in columns, those that behave as the reference in the first."""
    alike: dict[object, list[HostResult]] = {}
    for host in environment.hosts:
        # What the reference does by itself is done by all that behave as it does.
        findings = () if host.state is State.REFERENCE else host.findings
        seen = tuple((each.difference.kind, each.difference.id) for each in findings)
        alike.setdefault((host.state is State.UNAVAILABLE, host.behavior, seen), []).append(host)
    return tuple(Column(hosts=tuple(hosts)) for hosts in alike.values())


def squares(rate: Rate) -> Iterator[bool]:
    """Yield a square for each run of a trial, the failed ones first; none where they are too many to draw."""
    if rate.of <= DOTS:
        yield from (index < rate.failed for index in range(rate.of))


def headline(group: Group) -> str:
    """Return what is to blame for a group of findings, without the levels of a cause."""
    cause = group.findings[0].cause
    if group.reading is Reading.ACCEPTED:
        return "Accepted by the spec"
    if group.reading is Reading.FLAKY:
        return "No host is the cause"
    if not any(host.state is not State.REFERENCE for host in group.hosts):
        return "It does so on the reference itself"
    if cause is None or cause.state is not CauseState.CAUSED:
        return "The cause was not found"
    return "Caused by"


def blamed(group: Group) -> tuple[str, ...]:
    """Return the levels that cause a group of findings, as on a command line; empty without a cause."""
    cause = group.findings[0].cause
    if cause is None or cause.state is not CauseState.CAUSED or group.reading is not Reading.DIFFERENT:
        return ()
    return tuple(f"{name}={level}" for name, level in sorted(cause.factors.items()))


def innocent(group: Group) -> tuple[str, ...]:
    """Return the other levels of the host on which the cause was searched for."""
    cause = group.findings[0].cause
    if cause is None or not blamed(group):
        return ()
    factors = sorted(group.hosts[0].factors.items())
    return tuple(f"{name}={level}" for name, level in factors if name not in cause.factors)


def _templates() -> Environment:
    """Return what fills the page: texts from outside are made visible and escaped, a missing fact is an error."""
    made = Environment(
        loader=FunctionLoader(_part),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals.update(SYMBOLS=SYMBOLS, MOST=MOST, OPEN=OPEN, Kind=Kind, Reading=Reading, State=State)
    made.globals.update({each.__name__: each for each in (*_SAID, blamed, columns, headline, innocent, squares)})
    return made


def _shown(value: object) -> object:
    return value if isinstance(value, Markup) else visible(str(value), lines=True)


def _part(name: str) -> str:
    return files("pipeline.report").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
