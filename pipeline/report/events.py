"""What happens during a verification, as it is told while it runs. An event decides nothing."""

from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """A step of the way that lasts; in its order."""

    LOCK = "lock"
    BUILD = "build"
    RUN = "run"
    EXPLAIN = "explain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """So many more pieces of a step are to come; events of this kind add up.

    Args:
        step: which.
        count: how many.
    """

    step: Step
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A piece of a step began.

    Args:
        step: which.
        subject: what it works on: ``uploads``, ``uploads on hardened``.
        note: why it may take long; may be empty.
    """

    step: Step
    subject: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A piece of a step is done. ``Started`` need not come before.

    Args:
        step: which.
        subject: as in ``Started``.
        result: what came of it, in a few words: ``209 passed, 3 skipped``, ``1 test differs``, ``unchanged``.
        mark: its symbol (``◆ ● ✕ ≈ ?``), or none.
        duration: milliseconds.
    """

    step: Step
    subject: str
    result: str = ""
    mark: str = ""
    duration: int = 0


Event = Planned | Started | Ended
