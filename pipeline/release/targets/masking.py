"""What is hidden in the words of containers: values of secrets, and the lines of those that have several."""

from collections.abc import Iterable

_SHORTEST_LINE = 8
"""Characters below which a line of a longer value is left: what is as short stands anywhere."""


def hidden(values: Iterable[str]) -> tuple[str, ...]:
    """Return every text that nobody may read, the longest first, as one may be part of another.

    A value of several lines, such as a key, comes line by line out of a log that puts the time before each.

    Args:
        values: of secrets.
    """
    found = {each for each in values if each}
    lines = (line.strip() for value in found if "\n" in value for line in value.splitlines())
    return tuple(
        sorted(found | {each for each in lines if len(each) >= _SHORTEST_LINE}, key=lambda each: (-len(each), each))
    )
