"""``Cause``: the smallest set of factor levels that makes a difference appear, and the runs that show it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class CauseState(StrEnum):
    """What reruns said of a difference."""

    CAUSED = "CAUSED"
    FLAKY = "FLAKY"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often a behavior other than the reference's was seen.

    Args:
        failed: how often it was seen.
        of: in how many runs.
        low: lower end of the exact 95 % interval of the rate, as decimal text such as ``0.05``.
        high: upper end.
    """

    failed: int
    of: int
    low: str
    high: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What makes a difference appear.

    Args:
        state: CAUSED: the factors below, and nothing smaller. FLAKY: no host is to blame. INCONCLUSIVE: see ``reason``.
        factors: factor name → level, the smallest set; empty unless one was found.
        confirmed: whether reruns showed that the host behaves differently, whatever the cause.
        runs: how many runs the counts below rest on.
        p_value: of the counts below, as decimal text; empty without counts.
        test: name of the statistical test.
        with_: how often the difference was seen under ``factors`` (or, without factors, under the whole host).
        without: how often it was seen on the reference.
        cleared: names of the host's other factors, shown to be innocent by runs that had them without ``factors``.
        alternatives: other single levels of the host that make the same difference appear by themselves.
        file: where the test fails; may be empty.
        line: likewise, from 1; 0 if unknown.
        hint: the likely fix, one or two sentences; may be empty.
        reason: why nothing was found, for INCONCLUSIVE.
    """

    state: CauseState
    factors: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    confirmed: bool = False
    runs: int = 0
    p_value: str = ""
    test: str = "fisher-two-sided"
    with_: Rate | None = None
    without: Rate | None = None
    cleared: tuple[str, ...] = ()
    alternatives: tuple[Mapping[str, str], ...] = ()
    file: str = ""
    line: int = 0
    hint: str = ""
    reason: str = ""
