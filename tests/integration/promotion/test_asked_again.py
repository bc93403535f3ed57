"""A suite that is asked again without its project: what behaves in another way is explained, the clock first."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from pipeline.asked_again import Earlier, Ground, ask_again
from pipeline.build.unpacked import trees_of
from pipeline.changed import Before, SuspectState
from pipeline.preparation import Options
from pipeline.release.suite_question import SuiteQuestion
from pipeline.verification import answer, verify
from pipeline.verify.normalization import Normalization
from pipeline.verify.verdict import VerdictWord
from runtime.digest import Digest
from runtime.host import Host
from runtime.oci.image import Image
from runtime.oci.layout import Layout

pytestmark = [pytest.mark.network, pytest.mark.bar("6 promotions")]

DAY = 86_400
READ_ONLY = Host(name="read-only", factors={"root-filesystem": "read-only"})


class Asked:
    """A question of an image with Python, and where it is asked again."""

    def __init__(self, folder, store, image, check):
        (folder / "pyproject.toml").touch()
        (folder / "check.py").write_text(check)
        (folder / "app.yaml").write_text(
            f"seatrial: 1\nimage: {{from: 'oci:{store}/oci@{image}'}}\n"
            "suite: {files: [{from: ./check.py, to: /checks/check.py}], command: [python3, /checks/check.py], "
            "results: exit}\nhosts: [read-only]\n"
        )
        self.options = Options(store=store, jobs=2, fresh=True)
        self.result = verify([folder / "app.yaml"], self.options, lambda _: None).environments[0]
        self.question = SuiteQuestion.of(self.result)
        layout = Layout(store / "oci")
        trees = trees_of(store, layout)
        self.ground = Ground(layers=lambda each: trees.paths(Image.open(layout, each).layers), layout=layout)
        self.now = int(time.time())

    def then(self, **levels):
        """Return what the reference shows under other levels, and what a digest of it is of."""
        asked = self.question.inquiry
        host = Host(name="then", factors=levels)
        found = answer(replace(asked, reference=host), self.ground.layers, self.ground.layout, self.options, _nobody)
        return found.behavior, found.records

    def again(self, behavior, records, **ambient):
        seen = self.result.hosts[0].ambient
        before = Before(behavior=behavior, ambient={**seen, **ambient}, at=self.now - DAY)
        earlier = Earlier(reference=before, hosts={READ_ONLY.digest: before}, record=records.get)
        return ask_again(
            self.question, [READ_ONLY], earlier, self.ground, options=self.options, tell=_nobody, now=self.now
        )


def _nobody(_):
    pass


@pytest.fixture
def ask(build, tmp_path):
    built = build("bottle")
    return lambda check: Asked(tmp_path, built.store, built.image, check)


def test_what_the_clock_changed_has_the_date_as_its_cause(ask):
    asked = ask(f"import sys, time\nsys.exit(time.time() > {int(time.time()) - DAY // 2})\n")
    assert asked.result.verdict is VerdictWord.FAILED
    behavior, records = asked.then(date=f"-{DAY}s")
    answered = asked.again(behavior, records, kernel="4.19.0")
    reference, other = answered.changes
    assert (reference.host, other.host) == ("reference", "read-only")
    assert [(each.reference, each.here) for each in reference.differences] == [("passed", "failed")]
    clock, kernel = reference.suspects
    assert (clock.name, clock.state) == ("date", SuspectState.CAUSED)
    assert "runs differ now, 0 of" in clock.told
    assert (kernel.name, kernel.before, kernel.state) == ("kernel", "4.19.0", SuspectState.UNTRIED)
    assert reference.cause is clock
    assert other.suspects is reference.suspects  # what is told once is not looked for twice


@pytest.mark.slow
def test_what_the_clock_did_not_change_clears_it(ask):
    asked = ask("import sys\nsys.exit(0)\n")
    answered = asked.again(Digest.of(b"another behavior"), {})
    change = answered.changes[0]
    assert (change.differences, change.cause) == ((), None)
    assert [(each.name, each.state) for each in change.suspects] == [("date", SuspectState.CLEARED)]


@pytest.mark.slow
def test_what_is_as_before_passes_and_changes_nothing(ask):
    asked = ask("import sys\nsys.exit(0)\n")
    answered = asked.again(asked.result.behavior, asked.result.records)
    assert answered.changes == ()
    assert answered.result.verdict is VerdictWord.PASSED
    assert answered.result.normalization == asked.result.normalization
    assert SuiteQuestion.of(answered.result).digest == asked.question.digest
    assert all(each.cached == 0 for each in answered.result.hosts)


@pytest.mark.slow
def test_test_that_became_flaky_is_no_change(ask):
    asked = ask("import os, sys\nsys.exit(os.urandom(1)[0] < 100)\n")
    asked.question = SuiteQuestion(inquiry=replace(asked.question.inquiry, normalization=Normalization()))
    passing = _passing(asked)
    for _ in range(20):
        answered = asked.again(*passing)
        told = [reason for each in answered.result.hosts for reason in each.reasons if "behaves as before" in reason]
        if not answered.changes and told:
            assert {each.behavior for each in answered.result.hosts} == {passing[0]}
            return
    pytest.fail("no run was told as flaky")


@pytest.mark.slow
def test_test_that_was_flaky_and_is_steady_now_is_no_change(ask):
    asked = ask("import sys\nsys.exit(0)\n")
    known = Normalization(unstable=frozenset({"suite"}))
    asked.question = SuiteQuestion(inquiry=replace(asked.question.inquiry, normalization=known))
    answered = asked.again(*asked.then(hostname="elsewhere"))
    assert answered.changes == ()
    assert answered.result.normalization == known.digest
    assert answered.result.unstable == ("suite",)


def _passing(asked):
    """Return how the app behaves when it passes, under the normalization that is carried."""
    behavior, records = asked.then(hostname="elsewhere")
    record = {**records[behavior]}
    record["tests"] = {"suite": {"outcome": "passed", "phase": ""}}
    record["exit"] = {"code": 0, "signal": None, "limit": None}
    return Digest.of_json(record), {Digest.of_json(record): record}
