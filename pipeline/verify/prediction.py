"""Which factors can matter to some tests, as one traced run of the reference and the way in which they fail tell.

A prediction orders what is tried, and excludes nothing: a factor of which nothing speaks keeps a weight. So a wrong
prediction costs runs, and never truth.
"""

import errno
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from pipeline.verify.compare import Difference, Key
from pipeline.verify.suite import TestResult
from runtime.factors import FACTORS
from runtime.factors.signs import Index, Speaking
from runtime.outcome import Limit
from runtime.trace import Signs, Trace

MOST_WEIGHT = 12.0
"""The weight of a factor that signs speak for as much as they can; that of one without any is 1."""

MOST_TOLD = 5
"""Factors that are told of as likely."""

NEEDS_OTHERS = "needs others"
"""The sign of a test that differs only where the others run, too."""

_CERTAIN = 1.0
"""How much must speak for a factor to give it half of what it can get."""

_NESTED = 0.35
"""What is reached by way of a library tells less than what the app itself enters."""

_START = 0.15
"""What the start of every program shows tells little, where the test starts one."""

_INPUT = "reads stdin"

_TEMPORARY = "uses tmp_path"
"""The sign of a test that has a temporary folder of pytest's."""

_FAILING = 2.0
"""How a test fails is about the failure itself; what it touches only may be."""

_OTHERS = 3
"""Tests beside the differing ones that are taken to show nothing: of few, what they share says little."""

_MANY_FILES, _MANY_PROCESSES = 40, 12
_MUCH_MEMORY = 96 << 20  # bytes; an interpreter with a test runner takes a third of it

_STARTS = frozenset(
    {
        "asks terminal",
        "asks terminal-size",
        "calls getrandom",
        "calls getuid",
        "calls memfd_create",
        "calls sysinfo",
        "calls uname",
        "limit 3",
        "limit 7",
        "lists .",
        "looks ~",
        "makes .",
        "opens .",
        "opens /etc/localtime",
        "opens /usr/lib/locale",
        "opens ~",
    }
)
"""What an interpreter of Python, or a shell, shows whatever it runs. Measured: what all runs have in common."""

_OURS = ("makes /.seatrial", "makes /dev/null", "opens /dev/null", "looks /.seatrial", "opens /.seatrial")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Which factors can matter.

    Args:
        strength: factor → how much speaks for it; what nothing speaks for is not in it.
        signs: factor → what speaks for it, the most telling first.
    """

    strength: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    signs: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def ranked(self) -> tuple[str, ...]:
        """The factors that something speaks for, the likeliest first."""
        return tuple(sorted(self.strength, key=lambda name: (-self.strength[name], name)))

    def weight(self, factor: str) -> float:
        """Return how likely a factor is beside one that nothing speaks for."""
        strength = self.strength.get(factor, 0.0)
        return 1.0 + (MOST_WEIGHT - 1.0) * strength / (strength + _CERTAIN)


NOTHING = Prediction()
"""No factor is likelier than another."""

Foresee = Callable[[Difference, bool], Prediction]
"""Predicts what can make a difference appear; True if it appears only where the whole suite runs."""


class Predictions:
    """What is predicted of behaviors, each once it was asked for.

    Args:
        make: predicts.
    """

    def __init__(self, make: Callable[[Key], Prediction]) -> None:
        self._make = make
        self._made: dict[Key, Prediction] = {}

    def weights(self, key: Key) -> Mapping[str, float]:
        """Return factor → how likely it is; of one that is not named nothing speaks, and it has 1."""
        if key not in self._made:
            self._made[key] = self._make(key)
        return {name: self._made[key].weight(name) for name in self._made[key].strength}

    def told(self, key: Key, factors: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the likeliest of some factors, and what speaks for them; nothing where nobody asked."""
        made = self._made.get(key, NOTHING)
        likely = [name for name in made.ranked if name in factors][:MOST_TOLD]
        return MappingProxyType({name: made.signs[name] for name in likely})


def predict(signs: Mapping[str, float], factors: Sequence[Speaking] = FACTORS, *, most: int = 3) -> Prediction:
    """Return what signs say of the factors that they speak for.

    Args:
        signs: sign → how telling it is. One that speaks for many factors tells less of each, and of those
            that do so by the same word the most telling one counts.
        factors: say which signs speak for them.
        most: how many signs are kept of each factor.
    """
    index = Index(factors)
    parts: dict[str, dict[str, tuple[float, str]]] = {}
    for sign, share in sorted(signs.items()):
        names = index.factors_of(sign)
        for name, word in names.items():
            found = parts.setdefault(name, {})
            found[word] = max(found.get(word, (0.0, "")), (share / len(names), sign))
    return Prediction(
        strength=MappingProxyType(
            {name: _together(part for part, _ in found.values()) for name, found in parts.items()}
        ),
        signs=MappingProxyType({name: _most_telling(found.values(), most) for name, found in parts.items()}),
    )


def telling(trace: Trace, tests: Iterable[str], *, memory: int = -1) -> dict[str, float]:
    """Return the signs of some tests, each with how telling it is, 1 at most: less so, the more other tests show it.

    Args:
        trace: of a run that had these tests, and others as may be.
        tests: their ids; none stands for all. Where the run knew of none of them, what it touched beside tests counts.
        memory: peak of the run in bytes; -1 if that is not known.
    """
    asked = {trace.key(each) for each in tests}
    wanted = (asked or trace.tests.keys() - {""}) & trace.tests.keys()
    own = _joined(trace.tests[each] for each in sorted(wanted))
    others = [signs for key, signs in trace.tests.items() if key and key not in wanted]
    outside = trace.tests.get("", {})
    found = {sign: _of(sign, own) * _rarity(sign, others) for sign in own | _many(own, memory)}
    if _INPUT in found and _starts_programs(own):  # most often it is what the test itself gives to a program
        found[_INPUT] *= _NESTED
    if _TEMPORARY in own:  # the folder is pytest's choice
        found |= {sign: value * _NESTED for sign, value in found.items() if sign.endswith(" /tmp")}
    if not wanted:
        found = {sign: _of(sign, outside) for sign in {**outside, **_many(outside, memory)}}
    return {sign: value for sign, value in found.items() if sign not in _OURS}


def of_failures(
    results: Iterable[TestResult], signal: int | None = None, limit: Limit | None = None
) -> dict[str, float]:
    """Return the signs of how tests fail on a host, and of how its run ended."""
    found = {}
    for each in results:
        if each.exception:
            found[f"raises {each.exception}"] = _FAILING
        if each.errno is not None and each.errno in errno.errorcode:
            found[f"errno {errno.errorcode[each.errno]}"] = _FAILING
    if signal is not None:
        found[f"ends signal {signal}"] = _FAILING
    if limit is not None:
        found[f"ends {limit}"] = _FAILING
    return found


def _together(parts: Iterable[float]) -> float:
    """Return how much some signs tell together: each half as much as the one before it, so that the best decides."""
    return sum(part * 0.5**place for place, part in enumerate(sorted(parts, reverse=True)))


def _most_telling(parts: Iterable[tuple[float, str]], most: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sign for _, sign in sorted(parts, key=lambda each: (-each[0], each[1]))))[:most]


def _joined(signs: Iterable[Signs]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in signs:
        for sign, count in each.items():
            found[sign] = max(found.get(sign, 0), count)
    return found


def _of(sign: str, among: Signs) -> float:
    """Return how telling a sign is among those of the same tests."""
    if sign.startswith("reaches "):
        return _NESTED
    is_usual = sign in _STARTS or sign.startswith("signal ")
    return _START if is_usual and _starts_programs(among) else 1.0


def _starts_programs(signs: Signs) -> bool:
    return any(each.startswith(("runs ", "starts ")) for each in signs)


def _rarity(sign: str, others: Sequence[Signs]) -> float:
    return 1 - sum(sign in each for each in others) / (len(others) + _OTHERS)


def _many(signs: Signs, memory: int) -> dict[str, int]:
    """Return signs of how much there is of others."""
    opened = sum(
        count
        for sign, count in signs.items()
        if sign.startswith(("opens ", "makes ", "writes ", "socket ")) and "/usr/" not in sign and "/lib" not in sign
    )
    started = sum(signs.get(sign, 0) for sign in ("starts process", "starts thread", "calls vfork"))
    found = {"opens many": opened >= _MANY_FILES, "starts many": started >= _MANY_PROCESSES}
    found["uses much memory"] = memory >= _MUCH_MEMORY
    return {sign: 1 for sign, is_shown in found.items() if is_shown}
