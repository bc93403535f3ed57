"""How what outlives a suite shuts down: as behavior, where a spec asks for it, and as a note where it got slower."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from runtime.outcome import Ending

_NOTABLE_WAIT = 1000
"""Milliseconds by which a shutdown must be slower than the slowest of the reference to be told of."""

_NOTABLE_RATIO = 3
"""How many times as long as that it must take: a machine under load makes everything twice as slow."""


def shutdown_lines(endings: Iterable[Ending]) -> tuple[str, ...]:
    """Return what of a shutdown is behavior, a sentence each, sorted: no time, and no number of processes.

    Of a tree of processes, chance decides which of them is waited for by its own parent, and so not seen.
    """
    return tuple(sorted({_line(each) for each in endings}))


def shutdown_notes(
    references: Sequence[Sequence[Ending]], here: Sequence[Ending], *, only_times: bool = False
) -> Iterator[str]:
    """Yield a sentence for each shutdown that is slower, or ends otherwise, than in every run of the reference.

    Args:
        references: of each run of the reference.
        here: of this run.
        only_times: whether how they end is left out, as it is behavior.
    """
    known = _by_name(each for endings in references for each in endings)
    for name, endings in _by_name(here).items():
        before = known.get(name, [])
        if new := sorted({_how(each) for each in endings} - {_how(each) for each in before}):
            if not only_times:
                yield _other_end(endings[0], new, before)
        else:
            yield from _slower(endings, before)


def _other_end(ending: Ending, new: Sequence[str], before: Sequence[Ending]) -> str:
    if not before:
        return f"it leaves processes behind that the reference does not: {ending.name}"
    was = " or ".join(sorted({_how(each) for each in before}))
    return f"{_what(ending)} {' and '.join(new)} at the end of the suite; on the reference it {was}"


def _slower(endings: Sequence[Ending], before: Sequence[Ending]) -> Iterator[str]:
    slowest, usual = (max(each, key=lambda one: one.duration) for each in (endings, before))
    if slowest.duration - usual.duration >= _NOTABLE_WAIT and slowest.duration >= _NOTABLE_RATIO * usual.duration:
        took, usually = _seconds(slowest.duration), _seconds(usual.duration)
        yield f"{_what(slowest)} took {took} s to end after SIGTERM, {usually} s on the reference"


def _by_name(endings: Iterable[Ending]) -> Mapping[tuple[bool, str], list[Ending]]:
    found: dict[tuple[bool, str], list[Ending]] = {}
    for each in endings:
        found.setdefault((each.is_service, each.name), []).append(each)
    return found


def _line(ending: Ending) -> str:
    if ending.is_service:
        return f"{_what(ending)} {_how(ending)}"
    return f"{_what(ending)} is left behind and {'does not heed' if ending.is_killed else 'heeds'} SIGTERM"


def _what(ending: Ending) -> str:
    return f"service {ending.name}" if ending.is_service else f"process {ending.name}"


def _how(ending: Ending) -> str:
    if not ending.is_killed:
        return f"ended with {ending}" if ending.is_service else "heeded SIGTERM"
    return "was killed" if ending.duration < 0 else "was killed, as it did not heed SIGTERM,"


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.1f}"
