"""``slow-io``: how long a program waits until the disk has its data."""

import re

from runtime.factors import preload
from runtime.factors.factor import Factor
from runtime.factors.questions import Answers
from runtime.outcome import Fidelity
from runtime.plan import Plan

_LIBRARY = "slow"
_LEVEL = re.compile(r"(0|[1-9][0-9]{0,4})ms")
_SLACK = 60_000  # milliseconds that a real disk, or a busy machine, may take beside


class SlowIoFactor(Factor):
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

    def apply(self, plan: Plan, level: str) -> Plan:
        """Have the loader of the image load a library that waits."""
        if level == self.default:
            return plan
        return preload.with_library(plan, _LIBRARY, str(self._milliseconds(level)))

    def questions(self, plan: Plan) -> tuple[str, ...]:
        """How long a program of the image waits, and the program that will be started."""
        return preload.questions(plan, _LIBRARY)

    def probe(self, plan: Plan, answers: Answers) -> str:
        """Say how many milliseconds; or that this program asks no loader, or that there is none."""
        if not self.questions(plan):
            return "as-is"
        first, *rest = preload.found(plan, answers)
        return f"{rest[0]}ms" if rest else first

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is at least as long as asked."""
        if level == self.default:
            return found == level
        if not _LEVEL.fullmatch(found):
            return level == self.control  # a program that sees through it does not wait either
        wanted = self._milliseconds(level)
        return wanted <= self._milliseconds(found) < wanted + _SLACK

    def lacks(self, level: str, plan: Plan) -> str:
        """The library is for this machine, and a C compiler has made it."""
        return "" if level in (self.default, self.control) else preload.lacks(plan, _LIBRARY)

    def fidelity(self, level: str) -> Fidelity:
        """A static program, and one that asks the kernel by itself, see through it; writes themselves stay fast."""
        return Fidelity.NATIVE if level == self.default else Fidelity.EMULATED

    def _milliseconds(self, level: str) -> int:
        """Return the number.

        Raises:
            FactorError: there is no such level.
        """
        found = _LEVEL.fullmatch(level)
        if not found:
            raise self.unknown(level)
        return int(found[1])
