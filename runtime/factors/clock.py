"""``uptime`` and ``date``: how long the machine has been up, and what day it is."""

import re

from runtime.data import replace
from runtime.factors import preload
from runtime.factors.carriers import BUNDLES, EVERY
from runtime.factors.factor import Factor
from runtime.factors.questions import Answers
from runtime.outcome import Fidelity
from runtime.plan import Plan

_LEVEL = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 365 * 86400}
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})-([0-9]{2}))?")
_AHEAD = re.compile(r"[+-](?:0|[1-9][0-9]{0,5}[smhdy])")
_LIBRARY = "clock"
_MOST = 10_000 * 86400  # seconds: the kernel's clocks end after 292 years
_WHILE = 300  # seconds that may pass between the start of the clocks and the probe


class UptimeFactor(Factor):
    """What the two clocks say that count from the start of the machine, and with them /proc/uptime."""

    name = "uptime"
    default = "as-is"
    control = "null"
    levels = {
        "as-is": "as long as this machine",
        "1s": "one second: what was an hour ago lies before the start (any number of s, m, h or d)",
        "50d": "50 days: milliseconds have outgrown 32 bits",
        "500d": "500 days: hundredths of seconds have outgrown 32 bits",
        "null": "as long as this machine, in a time namespace of the run's own (null control)",
    }
    names = (
        "monotonic monotonic_ns perf_counter perf_counter_ns boot_time clock_gettime CLOCK_MONOTONIC "
        "CLOCK_BOOTTIME sysinfo times getloadavg"
    )
    signs = "opens /proc/uptime; opens /proc/stat"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set what the clocks start with."""
        match level:
            case "as-is":
                seconds = None
            case "null":
                seconds = 0
            case _:
                seconds = self._seconds(level)
        return replace(plan, tuning=replace(plan.tuning, uptime=seconds))

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """Both clocks."""
        return ("clocks",)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say both, in seconds."""
        monotonic, boottime = answers.words("clocks")
        return f"monotonic={monotonic} boottime={boottime}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """They have just passed what was asked for; this machine's own are whatever they are."""
        shown = [int(each.partition("=")[2]) for each in found.split()]
        if level in (self.default, self.control):
            return len(shown) == 2
        wanted = self._seconds(level)
        return all(wanted <= each < wanted + _WHILE for each in shown)

    def carriers(self, level: str) -> frozenset[str]:
        """Runtimes of 2022 know no time namespace, but start in ours; engines start elsewhere."""
        return EVERY if level == self.default else BUNDLES

    def since(self, level: str) -> tuple[int, int]:
        """Time namespaces. Source: time_namespaces(7)."""
        return (0, 0) if level == self.default else (5, 6)

    def _seconds(self, level: str) -> int:
        found = _LEVEL.fullmatch(level)
        seconds = int(found[1]) * _UNITS[found[2]] if found else 0
        if not 0 < seconds <= _MOST:
            raise self.unknown(level)
        return seconds


class DateFactor(Factor):
    """What CLOCK_REALTIME says, for programs of the image that a dynamic loader starts; times of files stay."""

    name = "date"
    default = "as-is"
    control = "+0"
    levels = {
        "as-is": "this machine's",
        "2040": "the first of January 2040: beyond what 32 bits hold (any year, or a day as 2038-01-19)",
        "2038-01-19": "the day on which 32 bits overflow",
        "+400d": "400 days later: what was signed for a year has expired (+ or - any number of s, m, h, d or y)",
        "+0": "by the same means, not moved at all (null control)",
    }
    names = (
        "time_ns now today utcnow gmtime strftime utcfromtimestamp date clock_gettime not_valid_after enddate "
        "cert_time_to_seconds ssl"
    )
    signs = (
        "runs /usr/bin/date; runs /bin/date; raises OverflowError; raises ssl.SSLCertVerificationError; "
        "enters time.time; reaches time.time"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Have the loader of the image load a clock before all else."""
        return plan if level == self.default else preload.with_library(plan, _LIBRARY, self._told(level))

    def questions(self, plan: Plan) -> tuple[str, ...]:
        """What a program of the image sees, what the machine has, and the program that will be started."""
        asked = preload.questions(plan, _LIBRARY)
        return (*asked, "now") if asked else ()

    def probe(self, plan: Plan, answers: Answers) -> str:
        """Say what a program sees and what the machine has; or that this one asks no loader, or that there is none."""
        if not self.questions(plan):
            return "as-is"
        seen, *rest = preload.found(plan, answers)
        return f"{seen} {answers.text('now')}" if rest else seen

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is as far ahead as asked, or has just passed the date."""
        if level == self.default:
            return found == "as-is"
        if level == self.control and not found[-1:].isdecimal():
            return True  # a program that sees through it is not moved either
        seen, now = map(int, found.split())
        kind, number = self._told(level).split()
        if kind == "by":
            return abs(seen - now - int(number)) <= 2
        return int(number) <= seen < int(number) + _WHILE

    def lacks(self, level: str, plan: Plan) -> str:
        """The clock is a program for this machine, which a C compiler has made."""
        return "" if level in (self.default, self.control) else preload.lacks(plan, _LIBRARY)

    def fidelity(self, level: str) -> Fidelity:
        """A static program, and one that asks the kernel by itself, see through it."""
        return Fidelity.NATIVE if level == self.default else Fidelity.EMULATED

    def _told(self, level: str) -> str:
        """Return what the clock is told.

        Raises:
            FactorError: there is no such level.
        """
        if _AHEAD.fullmatch(level):
            return f"by {level}" if level[1:] == "0" else f"by {level[0]}{int(level[1:-1]) * _UNITS[level[-1]]}"
        found = _DATE.fullmatch(level)
        if not found:
            raise self.unknown(level)
        from datetime import UTC, datetime  # noqa: PLC0415 - few runs name a day, and each start would load it

        try:
            day = datetime(int(found[1]), int(found[2] or 1), int(found[3] or 1), tzinfo=UTC)
        except ValueError as error:
            raise self.unknown(level) from error
        return f"at {int(day.timestamp())}"
