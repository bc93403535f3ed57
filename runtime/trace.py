"""``Trace``: what a run touched, as signs: short texts such as ``opens /proc/cpuinfo``, ``socket inet6 stream``.

A sign is a verb and what it is about. Paths are told by the place that they lie in, so that a run has some dozens of
signs, whatever it does. All of it is what a run that nobody trusts has named: to be matched and shown, and nothing is
decided by it.
"""

import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from runtime.canonical import Json
from runtime.data import dataclass, field

MARKS = "/.seatrial/mark"
"""A traced run says that a test begins, or has ended, by asking for ``MARKS/begin/KEY`` and ``MARKS/end/KEY``."""

MOST_SIGNS = 2048
"""Different signs that are told of one run."""

MOST_COUNTS = 32_768
"""Counts of a sign in a test that are told of one run."""

MOST_TEXT = 120
"""Characters of a sign."""

_KEY = 16
_NUMBER = re.compile(r"#[1-9][0-9]*$")

Signs = Mapping[str, int]
"""Sign → how often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What a run touched.

    Args:
        tests: key of a test → its signs; what no test was under way for stands under the empty key. Where tests run at
            the same time, what one does counts for all.
        is_whole: False if there was more than is told.
    """

    tests: Mapping[str, Signs] = field(default_factory=lambda: MappingProxyType({}))
    is_whole: bool = True

    @staticmethod
    def key(test: str) -> str:
        """Return the key of a test, by its id; those that share an id share their signs."""
        return key_of(_NUMBER.sub("", test))

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON: each sign once, as most come in many tests."""
        signs = sorted({sign for counts in self.tests.values() for sign in counts})
        places = {sign: place for place, sign in enumerate(signs)}
        tests: dict[str, Json] = {
            key: [[places[sign], count] for sign, count in sorted(counts.items())]
            for key, counts in sorted(self.tests.items())
        }
        return {"signs": list(signs), "tests": tests, "is_whole": self.is_whole}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Trace":
        """Read what ``to_json`` wrote.

        Raises:
            KeyError, TypeError, ValueError, IndexError, AttributeError: it did not write this.
        """
        signs = [str(each)[:MOST_TEXT] for each in value["signs"]]
        tests = {
            str(key): MappingProxyType({signs[int(place)]: int(count) for place, count in counts})
            for key, counts in value["tests"].items()
        }
        return cls(tests=MappingProxyType(tests), is_whole=value["is_whole"] is True)


def key_of(test: str) -> str:
    """Return the key by which a run names a test, whose id may be longer than a path."""
    return hashlib.sha256(test.encode("utf-8", "replace")).hexdigest()[:_KEY]
