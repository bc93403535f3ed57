"""What happens during a verification, as progress shows it: pieces of four steps. An event decides nothing."""

from dataclasses import dataclass
from enum import StrEnum

from pipeline.report.symbols import SYMBOLS
from pipeline.report.text import count
from pipeline.verify import events as verify
from pipeline.verify.verdict import HostResult, State


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


class Reader:
    """Reads the events of the verify stage as pieces of steps; those of this module pass as they are.

    A host is one piece of ``run``; if it behaves differently, its search for causes is one of ``explain``. Reruns are
    not told one by one.
    """

    def __init__(self) -> None:
        self._explained: set[str] = set()

    def read(self, event: object) -> tuple[Event, ...]:
        """Return what an event means for progress: nothing, for one that is not known."""
        match event:
            case Planned() | Started() | Ended():
                return (event,)
            case verify.EnvironmentStarted():
                return (Planned(step=Step.RUN, count=len(event.hosts)),)
            case verify.RunStarted(index=0):
                return self._started(f"{event.environment} on {event.host}")
            case verify.Explaining():
                return self._explaining(f"{event.environment} on {event.host}", event.differences)
            case verify.HostJudged():
                return self._judged(f"{event.environment} on {event.result.name}", event.result)
            case _:
                return ()

    def _started(self, subject: str) -> tuple[Event, ...]:
        # Reruns of a host that is being explained are part of that piece.
        return () if subject in self._explained else (Started(step=Step.RUN, subject=subject),)

    def _explaining(self, subject: str, differences: int) -> tuple[Event, ...]:
        self._explained.add(subject)
        verb = "differs" if differences == 1 else "differ"
        mark = SYMBOLS[State.INCONCLUSIVE][0]
        return (
            Ended(step=Step.RUN, subject=subject, result=f"{count(differences, 'result')} {verb}", mark=mark),
            Planned(step=Step.EXPLAIN, count=1),
            Started(step=Step.EXPLAIN, subject=subject),
        )

    def _judged(self, subject: str, host: HostResult) -> tuple[Event, ...]:
        step = Step.EXPLAIN if subject in self._explained else Step.RUN
        duration = 0 if step is Step.EXPLAIN else host.duration
        return (
            Ended(step=step, subject=subject, result=_result(host), mark=SYMBOLS[host.state][0], duration=duration),
        )


def _result(host: HostResult) -> str:
    from pipeline.report.sentences import levels  # noqa: PLC0415 - a build, which tells of no host, begins faster
    from pipeline.report.summary import outcomes  # noqa: PLC0415 - likewise

    causes = [each.cause.factors for each in host.findings if each.cause and each.cause.factors]
    if causes:
        return f"{levels(causes[0])}, {count(host.runs, 'run')}"
    if host.state is State.UNAVAILABLE:
        return "not run"
    return host.reasons[0] if host.reasons else outcomes(host.tests)
