"""The kinds of findings as rules of SARIF: a difference is of the factors that cause it.

A reader keeps an alert by its rule and its place: so the names here last, and no count or message is in them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.report.groups import Group, Reading
from pipeline.report.text import listed
from pipeline.verify.explain import CauseState
from pipeline.verify.hints import hint
from pipeline.verify.verdict import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One kind of finding.

    Args:
        id: its name, for ever.
        level: of what is found, unless that says another: ``error``, ``warning`` or ``note``.
        short: one sentence.
        help: what it means, and what to do.
    """

    id: str
    level: str
    short: str
    help: str


FAILS_ON_REFERENCE = Rule(
    id="fails-on-reference",
    level="error",
    short="A test fails on the reference, every time.",
    help="No host is to blame. Repair the test, or accept its failure by a rule of `ignore` with `host: reference`.",
)
CAUSE_NOT_FOUND = Rule(
    id="cause-not-found",
    level="error",
    short="The behavior differs on a host, and the cause was not found.",
    help="Search for longer with `--budget`, or narrow it by `seatrial explain`.",
)
FLAKY = Rule(
    id="flaky",
    level="note",
    short="A behavior is unstable, and no host is to blame.",
    help="It differs now and then under the same conditions. `flaky: fail` in a spec makes it fail.",
)
UNDECIDED = Rule(
    id="undecided",
    level="warning",
    short="A difference could not be told from chance.",
    help="Give the search more time with `--budget`.",
)
ACCEPTED = Rule(
    id="accepted",
    level="note",
    short="A difference is accepted by a rule of the spec.",
    help="The rule stands under `ignore` in the spec, with its reason.",
)
INCONCLUSIVE_HOST = Rule(
    id="inconclusive-host",
    level="warning",
    short="Nothing can be said of a host.",
    help="A level did not take effect, a run was lost, or this machine cannot offer the host. `seatrial doctor` helps.",
)
FAILING_HOST = Rule(
    id="failing-host",
    level="error",
    short="The suite does not end well on a host, though no test of it fails.",
    help="It ended by a signal, a limit or a deadline, or by an exit code that no failing test explains.",
)

_BY_READING: Mapping[Reading, Rule] = MappingProxyType(
    {
        Reading.DIFFERENT: CAUSE_NOT_FOUND,
        Reading.FLAKY: FLAKY,
        Reading.UNDECIDED: UNDECIDED,
        Reading.ACCEPTED: ACCEPTED,
    }
)


def rule_of(group: Group) -> Rule:
    """Return the rule of findings that differ in the same way."""
    cause = group.findings[0].cause
    if group.reading is not Reading.DIFFERENT:
        return _BY_READING[group.reading]
    if all(host.state is State.REFERENCE for host in group.hosts):
        return FAILS_ON_REFERENCE
    if cause is None or cause.state is not CauseState.CAUSED or not cause.factors:
        return CAUSE_NOT_FOUND
    return by_factors(tuple(sorted(cause.factors)))


def by_factors(names: tuple[str, ...]) -> Rule:
    """Return the rule of differences that factors cause: ``umask``, ``shm+umask``."""
    verb = "has another level" if len(names) == 1 else "have other levels"
    short = f"The behavior differs where {listed(list(names))} {verb} than on the reference."
    return Rule(id="+".join(names), level="error", short=short, help=hint(names) or short)
