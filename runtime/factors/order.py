"""``test-order``: in which order the tests of a suite run."""

import re

from runtime.data import replace
from runtime.factors.factor import Factor
from runtime.factors.questions import Answers
from runtime.plan import ORDER, PYTEST_RESULTS, File, Plan

_PLUGIN = "may-read /.seatrial/python/seatrial_pytest.py"
_ASKED = f"read {ORDER}"
_RANDOM = re.compile(r"random(-[0-9]{1,9})?")


class TestOrderFactor(Factor):
    """Tests that leave something behind for others pass in one order only."""

    __test__ = False  # pytest collects classes by this prefix
    name = "test-order"
    default = "as-written"
    control = "null"
    levels = {
        "as-written": "as the suite has it",
        "reverse": "the last test first",
        "random": "by a hash of each test's id (random-N: by another one), the same in each run",
        "null": "our plug-in is asked, and leaves the order as it is (null control)",
    }
    names = "lru_cache cache reload"
    signs = "stores global; shares state; needs others"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Tell the plug-in of pytest."""
        if level not in self.levels and not _RANDOM.fullmatch(level):
            raise self.unknown(level)
        if level == self.default:
            return plan
        return replace(plan, files=(*plan.files, File(path=ORDER, content=level.encode())))

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """What the plug-in will read, and whether it is there to read it."""
        return _ASKED, _PLUGIN

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say both; which tests ran, and in which order, the results tell."""
        order = answers.text(_ASKED) or self.default
        return order if order == self.default or answers.text(_PLUGIN) == "yes" else f"{order}, and nobody reads it"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is as asked; to leave the order as it is, nobody need read it."""
        return found == level or (level == "null" and found.startswith("null,"))

    def lacks(self, level: str, plan: Plan) -> str:
        """A suite that tells its results in another way has nobody who would order its tests."""
        if level in (self.default, self.control) or plan.results == PYTEST_RESULTS:
            return ""
        return "the tests are ordered by the plug-in of pytest, and this suite does not report by it"
