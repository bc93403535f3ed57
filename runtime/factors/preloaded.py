"""``slow-io``, ``latency``, ``page-size`` and ``case-sensitivity``: what a library of ours lets programs see.

A static program, and one that asks the kernel by itself, see through all of them: the probe tells of the first.
"""

import os
import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from runtime.factors import preload
from runtime.factors.factor import Factor
from runtime.factors.quantity import parse_size
from runtime.factors.questions import Answers
from runtime.outcome import Fidelity
from runtime.plan import Plan

_MILLISECONDS = re.compile(r"(0|[1-9][0-9]{0,4})ms")
_FOLDED = ("insensitive", "original-case")
_SLACK = 60_000  # milliseconds that a real disk or network, or a busy machine, may take beside


class _PreloadedFactor(Factor):
    """A factor whose levels but the default are carried out by a library; the null control loads it to no effect."""

    library: ClassVar[str]
    word: ClassVar[int]
    """Which word of what the probe says is its own."""

    def apply(self, plan: Plan, level: str) -> Plan:
        """Have the loader of the image load the library."""
        if level == self.default:
            return plan
        return preload.with_library(plan, self.library, self.told(level, plan))

    def questions(self, plan: Plan) -> tuple[str, ...]:
        """What a program of the image sees, and the program that will be started."""
        return preload.questions(plan, self.library)

    def probe(self, plan: Plan, answers: Answers) -> str:
        """Say what it sees; or that this program asks no loader, or that there is none."""
        if not self.questions(plan):
            return self.default
        words = preload.found(plan, answers)
        return self.shown(words[self.word]) if len(words) > self.word else words[0]

    def lacks(self, level: str, plan: Plan) -> str:
        """The library is for this machine, and a C compiler has made it."""
        return "" if level in (self.default, self.control) else preload.lacks(plan, self.library)

    def fidelity(self, level: str) -> Fidelity:
        """Programs can see through it."""
        return Fidelity.NATIVE if level == self.default else Fidelity.EMULATED

    @abstractmethod
    def told(self, level: str, plan: Plan) -> str:
        """Return the configuration of the library.

        Raises:
            FactorError: there is no such level.
        """

    @abstractmethod
    def shown(self, word: str) -> str:
        """Return what a word of the probe says of this factor."""


class _DelayFactor(_PreloadedFactor):
    """Milliseconds that something takes more."""

    def told(self, level: str, plan: Plan) -> str:  # noqa: ARG002
        """Return the number."""
        return str(self._milliseconds(level))

    def shown(self, word: str) -> str:
        """Return it as a level is written."""
        return f"{word}ms"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is at least as long as asked."""
        if level == self.default:
            return found == level
        if not _MILLISECONDS.fullmatch(found):
            return level == self.control  # a program that sees through it does not wait either
        wanted = self._milliseconds(level)
        return wanted <= self._milliseconds(found) < wanted + _SLACK

    def _milliseconds(self, level: str) -> int:
        found = _MILLISECONDS.fullmatch(level)
        if not found:
            raise self.unknown(level)
        return int(found[1])


class SlowIoFactor(_DelayFactor):
    """How long fsync and its like take: a run's own tree lies in memory, where they take no time."""

    name = "slow-io"
    default = "as-is"
    control = "0ms"
    levels = {
        "as-is": "as the file system of the run has it",
        "50ms": "fsync, fdatasync, syncfs, sync and msync take 50 ms more, as a busy disk (any number of ms)",
        "1000ms": "they take a second more, as a network disk that is throttled",
        "0ms": "by the same means, not a moment more (null control)",
    }
    names = "fsync fdatasync sync syncfs msync commit sync_file_range sqlite3"
    signs = "raises TimeoutError; raises subprocess.TimeoutExpired; raises sqlite3.OperationalError; ends deadline"
    library = "slow"
    word = 1


class LatencyFactor(_DelayFactor):
    """How long it takes until what is sent arrives: over a run's own loopback interface it takes no time."""

    name = "latency"
    default = "as-is"
    control = "0ms"
    levels = {
        "as-is": "as the loopback interface has it: next to none",
        "50ms": "what is sent by IP leaves 50 ms later, and to connect takes 100, as between continents (any number)",
        "500ms": "half a second later, and a second, as by satellite or where a network is overloaded",
        "0ms": "by the same means, not a moment later (null control)",
    }
    names = "settimeout timeout create_connection urlopen HTTPConnection sendall recv sendto recvfrom wait_for"
    signs = (
        "connects inet loopback high; connects inet6 loopback high; raises TimeoutError; raises socket.timeout; "
        "ends deadline"
    )
    library = "far"
    word = 2


class PageSizeFactor(_PreloadedFactor):
    """How large programs take the machine's pages to be: allocators that were built for smaller ones give up."""

    name = "page-size"
    default = "as-is"
    control = "null"
    levels = {
        "as-is": "as this machine's kernel has them",
        "16K": "programs that ask are told 16 KiB, as on Apple's and some other ARM machines",
        "64K": "64 KiB, as on ARM servers; a file can be mapped from multiples of that only",
        "null": "by the same means, as the kernel has them (null control)",
    }
    names = "PAGESIZE PAGE_SIZE ALLOCATIONGRANULARITY getpagesize SC_PAGE_SIZE SC_PAGESIZE sysconf mmap"
    signs = "opens /proc/self/statm; opens /proc/self/smaps; errno EINVAL"
    library = "page"
    word = 3

    def told(self, level: str, plan: Plan) -> str:  # noqa: ARG002
        """Return the bytes of a page; 0 leaves them as they are."""
        if level not in self.levels:
            raise self.unknown(level)
        return str(0 if level == self.control else parse_size(level))

    def shown(self, word: str) -> str:
        """Return the bytes."""
        return word

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """They are as asked; a program that sees through the library sees the kernel's."""
        match level:
            case self.default:
                return found == level
            case self.control:
                return not found.isdecimal() or int(found) == os.sysconf("SC_PAGE_SIZE")
            case _:
                return found == str(parse_size(level))

    def fidelity(self, level: str) -> Fidelity:
        """The kernel goes on with pages of its own; the null control changes nothing that could be imitated badly."""
        return super().fidelity(level) if level in (self.default, self.control) else Fidelity.ADVISORY


class CaseSensitivityFactor(_PreloadedFactor):
    """Whether two names may differ by case alone: on the volumes of most laptops they may not."""

    name = "case-sensitivity"
    default = "sensitive"
    control = "null"
    levels = {
        "sensitive": "they may",
        "insensitive": "below the working folder a name is found in any case (A to Z); the one that it has is kept",
        "original-case": "below it a name is found in its own case only, and none in another case can be made: EEXIST",
        "null": "by the same means, nowhere (null control)",
    }
    names = "lower upper casefold swapcase normcase samefile exists is_file"
    signs = "lists .; renames .; errno EEXIST; raises FileExistsError"
    library = "fold"
    word = 4
    _shown: ClassVar[Mapping[str, str]] = {"0": "sensitive", "1": "insensitive", "2": "original-case"}

    def told(self, level: str, plan: Plan) -> str:
        """Return the folder in which names may not differ by case alone, as runtime/launcher/fold.c reads it."""
        match level:
            case "insensitive":
                return plan.workdir
            case "original-case":
                return f"!{plan.workdir}"
            case self.control:
                return ""
            case _:
                raise self.unknown(level)

    def shown(self, word: str) -> str:
        """Return it as a level is written."""
        return self._shown.get(word, word)

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is as asked; a program that sees through the library sees what is there."""
        return found == level or (level == self.control and found not in _FOLDED)

    def lacks(self, level: str, plan: Plan) -> str:
        """The names of the kernel's file systems stay as they are."""
        if level not in (self.default, self.control) and plan.workdir == "/":
            return "the working folder is the root of the tree, and the kernel's file systems lie in it"
        return super().lacks(level, plan)
