"""``uptime``: how long the machine has been up."""

import re
from dataclasses import replace

from runtime.factors.carriers import BUNDLES, EVERY
from runtime.factors.factor import Factor
from runtime.factors.questions import Answers
from runtime.plan import Plan

_LEVEL = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
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
