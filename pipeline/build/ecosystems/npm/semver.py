"""Versions and ranges of npm.

Source: Semantic Versioning 2.0.0, section 11; the README of node-semver, "Ranges" and "Advanced Range Syntax".
"""

import re
from dataclasses import dataclass
from typing import Self, TypeAlias

_VERSION = re.compile(r"[v=\s]*(\d{1,16})\.(\d{1,16})\.(\d{1,16})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?\s*")
_PARTIAL = re.compile(
    r"(?P<operator>[<>]=?|=|\^|~>?|)\s*[v=]*"
    r"(?P<major>\d{1,16}|[xX*]|)(?:\.(?P<minor>\d{1,16}|[xX*]))?(?:\.(?P<patch>\d{1,16}|[xX*]))?"
    r"(?:-(?P<before>[0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?"
)
_HYPHEN = re.compile(r"\s*(\S+)\s+-\s+(\S+)\s*")
_SPACED = re.compile(r"([<>]=?|=|\^|~>?)\s+")
_LONGEST = 256

_Bound: TypeAlias = tuple[str, "Version"]


@dataclass(frozen=True, slots=True)
class Version:
    """An exact version; what it says of its build does not count.

    Args:
        numbers: major, minor and patch.
        before: identifiers of a pre-release; empty for a release.
    """

    numbers: tuple[int, int, int]
    before: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the version that ``text`` writes.

        Raises:
            ValueError: it is none.
        """
        match = _VERSION.fullmatch(text) if len(text) <= _LONGEST else None
        if match is None:
            raise ValueError(f"{text[:80]!r} is no version such as 1.2.3")
        before = tuple(match[4].split(".")) if match[4] else ()
        return cls((int(match[1]), int(match[2]), int(match[3])), before)

    def __lt__(self, other: Self) -> bool:
        """Tell whether it is older; a pre-release is older than its release."""
        return self._order() < other._order()

    def _order(self) -> tuple[tuple[int, int, int], bool, list[tuple[bool, int, str]]]:
        parts = [(not each.isdigit(), int(each) if each.isdigit() else 0, each) for each in self.before]
        return self.numbers, not self.before, parts


@dataclass(frozen=True, slots=True)
class Range:
    """A range of versions.

    Args:
        choices: bounds; a version that is within all bounds of one of them is in the range.
    """

    choices: tuple[tuple[_Bound, ...], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the range that ``text`` writes, as ``^1.2.0 || 3.x``.

        Raises:
            ValueError: it is none: a tag, a URL or something else.
        """
        if len(text) > _LONGEST * 8:
            raise ValueError("it is too long for a range of versions")
        choices = tuple(_choice(each) for each in text.split("||"))
        # Beside "*" no other choice counts, not even for the pre-releases that it names: as npm has it.
        return cls(((),) if () in choices else choices)

    def has(self, version: Version) -> bool:
        """Tell whether a version is in the range; a pre-release is only if a bound names one of its very release."""
        return any(_within(version, bounds) for bounds in self.choices)


def _within(version: Version, bounds: tuple[_Bound, ...]) -> bool:
    if not all(_holds(version, *each) for each in bounds):
        return False
    return not version.before or any(each.before and each.numbers == version.numbers for _, each in bounds)


def _holds(version: Version, operator: str, bound: Version) -> bool:
    match operator:
        case ">=":
            return not version < bound
        case ">":
            return bound < version
        case "<=":
            return not bound < version
        case "<":
            return version < bound
        case _:
            return version == bound


def _choice(text: str) -> tuple[_Bound, ...]:
    hyphen = _HYPHEN.fullmatch(text)
    if hyphen is not None:
        return (*_bounds(f">={hyphen[1]}"), *_bounds(f"<={hyphen[2]}"))
    return tuple(bound for each in _SPACED.sub(r"\1", text.strip()).split() for bound in _bounds(each))


def _bounds(text: str) -> tuple[_Bound, ...]:
    """Return the bounds of one comparison; parts that are left out, or ``x``, may be anything."""
    match = _PARTIAL.fullmatch(text)
    if match is None or (not match["major"] and text):
        raise ValueError(f"{text[:80]!r} is no range of versions")
    numbers: list[int] = []
    for each in (match["major"], match["minor"], match["patch"]):
        if not each or not each.isdigit():
            break
        numbers.append(int(each))
    before = tuple(match["before"].split(".")) if match["before"] and len(numbers) == 3 else ()
    return _of_operator(match["operator"], numbers, before)


def _of_operator(operator: str, numbers: list[int], before: tuple[str, ...]) -> tuple[_Bound, ...]:
    if not numbers:
        return (("<", Version((0, 0, 0), ("0",))),) if operator in {"<", ">"} else ()
    lowest = _padded(numbers, before)
    last = len(numbers) - 1
    first_that_counts = next((at for at, each in enumerate(numbers) if each), last)
    match operator:
        case "^":
            return (">=", lowest), ("<", _next(numbers, first_that_counts))
        case "~" | "~>":
            return (">=", lowest), ("<", _next(numbers, min(1, last)))
        case "" | "=":
            return (("=", lowest),) if last == 2 else ((">=", lowest), ("<", _next(numbers, last)))
        case _ if last < 2:
            return (_of_partial(operator, numbers),)
        case _:
            return ((operator, lowest),)


def _of_partial(operator: str, numbers: list[int]) -> _Bound:
    """Return the bound of a comparison with ``1`` or ``1.2``: with all that begin so."""
    above = _next(numbers, len(numbers) - 1)
    match operator:
        case ">":
            return ">=", Version(above.numbers)
        case "<=":
            return "<", above
        case ">=":
            return ">=", _padded(numbers)
        case _:
            return "<", _padded(numbers, ("0",))


def _padded(numbers: list[int], before: tuple[str, ...] = ()) -> Version:
    major, minor, patch = (*numbers, 0, 0)[:3]
    return Version((major, minor, patch), before)


def _next(numbers: list[int], at: int) -> Version:
    """Return the first version, before any pre-release of it, in which the number at a place is one more."""
    return _padded([*numbers[:at], numbers[at] + 1], ("0",))
