"""Delta debugging: smaller sets of factors that still make a behavior appear, by questions that someone else answers.

Source: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", algorithm ddmin.
"""

from collections.abc import Callable, Iterable, Sequence

from pipeline.verify.laboratory import Levels


def bisect(factors: Sequence[str], appears: Callable[[Levels], bool]) -> tuple[str, ...]:
    """Return a subset that makes a behavior appear, by few questions: some log2 of all for each that is in it.

    Of the shortest beginning of the factors that suffices, the last one is needed. With it, a shorter one suffices.

    Args:
        factors: a set that makes it appear.
        appears: tells whether a subset does. If more levels can hide the behavior, the subset may be too large.
    """
    needed: list[str] = []
    rest = list(factors)
    while rest and not appears(frozenset(needed)):
        low, high = 0, len(rest)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if appears(frozenset([*needed, *rest[:middle]])) else (middle, high)
        needed.append(rest[high - 1])
        del rest[high - 1 :]
    return tuple(needed)


def ddmin(factors: Iterable[str], appears: Callable[[Levels], bool]) -> Levels:
    """Return a subset that makes a behavior appear and of which nothing can be left out.

    Args:
        factors: a set that makes it appear.
        appears: tells whether a subset does.
    """
    chosen = list(factors)
    parts = 2
    while len(chosen) > 1:
        chunks = [chosen[index::parts] for index in range(parts)]
        reduced = _reduced(chosen, chunks, appears)
        if reduced is not None:
            chosen, parts = reduced
        elif parts >= len(chosen):
            break
        else:
            parts = min(len(chosen), 2 * parts)
    return frozenset(chosen)


def _reduced(
    chosen: list[str], chunks: list[list[str]], appears: Callable[[Levels], bool]
) -> tuple[list[str], int] | None:
    for chunk in chunks:
        if appears(frozenset(chunk)):
            return chunk, 2
    if len(chunks) > 2:  # of two, each is the other's complement
        for chunk in chunks:
            rest = [name for name in chosen if name not in chunk]
            if appears(frozenset(rest)):
                return rest, max(len(chunks) - 1, 2)
    return None
