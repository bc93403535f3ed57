"""Which attacks and layers a peer can be asked, and the word for what it did."""

from dataclasses import dataclass

from hostile_layers import ENDINGS, HOSTILE
from hostile_runs import ATTACKS, Attack

REFUSED, CONTAINED, ACCEPTED, ESCAPES, HANGS = "refused", "contained", "accepted", "escapes", "hangs"

PATIENCE = 20
"""Seconds after which a peer hangs."""

OURS_ONLY = frozenset({"deadline", "artifacts", "results"})
"""What a plan asks and no peer knows."""


@dataclass(frozen=True)
class Text:
    """A stream."""

    content: bytes


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a peer did, in the words of an outcome."""

    exit_code: int | None
    signal: int | None
    stdout: Text
    stderr: Text
    is_refused: bool
    changed: tuple[str, ...] = ()
    limit: None = None


def judge(attack: Attack, done: Done | None) -> str:
    """Return ``refused``, ``contained`` or ``accepted``, or ``hangs`` where nothing came of it in time."""
    if done is None:
        return HANGS
    if done.is_refused:
        return REFUSED
    try:
        is_contained = not attack.refused and attack.proof(done)
    except (IndexError, ValueError):
        is_contained = False  # the program wrote nothing that could be read
    return CONTAINED if is_contained else ACCEPTED


def comparable_runs() -> list[str]:
    """Return the attacks that peers can be asked."""
    return [name for name, each in ATTACKS.items() if _is_comparable(each)]


def comparable_layers() -> list[str]:
    """Return the layers whose fault lies in the archive itself."""
    return [*HOSTILE, *(f"ending_{name}" for name in ENDINGS)]


def _is_comparable(attack: Attack) -> bool:
    host = attack.plan.get("host", {})
    return not OURS_ONLY & attack.plan.keys() and not {"seccomp", "capabilities"} & host.keys()
