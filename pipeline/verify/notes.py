"""``Note``: a trace that differs between two observations. It is no behavior: it is reported, and it ranks causes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.verify.observe import FILES, SHUTDOWN, Observation
from pipeline.verify.shutdowns import shutdown_notes

_MIB = 1024 * 1024
_NOTABLE_MEMORY = 64 * _MIB
_NOTABLE_WAIT = 100  # milliseconds
_CACHES = frozenset({"__pycache__", ".pytest_cache"})  # left by whoever may write beside the code, and said by nobody


class NoteKind(StrEnum):
    """What kind of trace differs."""

    FILE = "file"
    NETWORK = "network"
    SYSCALL = "syscall"
    RESOURCE = "resource"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Note:
    """A trace that differs between two observations.

    Args:
        kind: what kind of trace.
        text: one sentence.
    """

    kind: NoteKind
    text: str


def notes(references: Sequence[Observation], other: Observation) -> tuple[Note, ...]:
    """Return the traces of a run that no run of the reference shows."""
    known = {path for each in references for path in each.changed}
    new = [path for path in other.changed if path not in known and not _is_cache(path)]
    found = []
    if new and FILES not in other.artifacts:  # there it is behavior
        found.append(Note(kind=NoteKind.FILE, text=f"it writes files that the reference does not: {_shown(new)}"))
    peak = max((each.resources.peak_memory for each in references), default=-1)
    here = other.resources.peak_memory
    if peak > 0 and here > 2 * peak and here - peak > _NOTABLE_MEMORY:
        text = f"its peak of memory is {here // _MIB} MiB, the reference's is {peak // _MIB} MiB"
        found.append(Note(kind=NoteKind.RESOURCE, text=text))
    found += [Note(kind=NoteKind.RESOURCE, text=text) for text in _strains(references, other)]
    found += [Note(kind=NoteKind.SYSCALL, text=text) for text in _denials(references, other)]
    found += [Note(kind=NoteKind.NETWORK, text=text) for text in _attempts(references, other)]
    found += [Note(kind=NoteKind.SHUTDOWN, text=text) for text in _shutdowns(references, other)]
    return tuple(found)


def _is_cache(path: str) -> bool:
    return path.endswith(".pyc") or not _CACHES.isdisjoint(path.split("/"))


def _shown(texts: Sequence[str]) -> str:
    return ", ".join(texts[:3]) + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")


def _strains(references: Sequence[Observation], other: Observation) -> Iterator[str]:
    """Yield what held a run up that held up no run of the reference."""
    here = other.resources
    if here.victims and not any(each.resources.victims for each in references):
        yield f"the kernel killed {', '.join(here.victims[:3])} for want of memory"
    if here.throttled_time > max(_NOTABLE_WAIT, *(2 * each.resources.throttled_time for each in references)):
        yield f"it waited {here.throttled_time} ms, in {here.throttled_periods} periods, for its CPU quota"


def _denials(references: Sequence[Observation], other: Observation) -> Iterator[str]:
    """Yield which system calls were denied as in no run of the reference, if all of them were heard."""
    heard = [each.calls for each in references if each.calls]
    if other.calls is None or len(heard) < len(references):
        return
    known = {(denied.call, denied.errno) for each in heard for denied in each.denied}
    new = [
        f"{each.call} ({each.errno}, {_times(each.count, is_whole=other.calls.is_whole)})"
        for each in other.calls.denied
        if (each.call, each.errno) not in known
    ]
    if new:
        yield f"system calls are denied that the reference does not make, or may: {_shown(new)}"


def _times(count: int, *, is_whole: bool) -> str:
    return ("" if is_whole else "at least ") + ("once" if count == 1 else f"{count} times")


def _attempts(references: Sequence[Observation], other: Observation) -> Iterator[str]:
    """Yield how it tried to reach beyond itself as no run of the reference did, if all of them were watched."""
    watched = [each.network for each in references if each.network]
    if other.network is None or len(watched) < len(references):
        return
    known = {lookup.name for each in watched for lookup in each.lookups}
    new = [each.name for each in other.network.lookups if each.name not in known]
    if new:
        yield f"it asks for the addresses of names that the reference does not ask for: {_shown(new)}"
    if other.network.unroutable and not any(each.unroutable for each in watched):
        times = _times(other.network.unroutable, is_whole=True)
        yield f"it has no route to a destination, {times}; the reference asks for none without"


def _shutdowns(references: Sequence[Observation], other: Observation) -> Iterator[str]:
    """Yield what shuts down otherwise than in every run of the reference, if all of them were watched."""
    known = [each.shutdown for each in references if each.shutdown is not None]
    if other.shutdown is not None and len(known) == len(references):
        yield from shutdown_notes(known, other.shutdown, only_times=SHUTDOWN in other.artifacts)
