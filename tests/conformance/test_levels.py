"""Every level of every factor on every backend: carried out and proven from inside, or refused with a reason."""

from dataclasses import replace

import pytest

from runtime.backend import Unsupported
from runtime.factors import FACTORS
from runtime.plan import PYTEST_RESULTS, File

pytestmark = pytest.mark.bar("levels", slice=16)

# The small tree of these tests has no zone files and no locales, and no programs of another architecture; which runtime
# and kernel it is, every other test here asks.
UNFIT = {"timezone", "locale"}
ELSEWHERE = {"runtime", "kernel", "architecture"}
LEVELS = [(each.name, level) for each in FACTORS for level in each.levels if each.name not in UNFIT | ELSEWHERE]

# The tests are ordered by a plug-in, which an image of ours has and this tree has not.
PLUGIN = File(path="/.seatrial/python/seatrial_pytest.py", content=b"# a stand-in\n")


@pytest.mark.parametrize(("name", "level"), LEVELS, ids=[f"{name}={level}" for name, level in LEVELS])
def test_level_takes_effect_or_is_refused_with_a_reason(backend, plan, name, level):
    wanted = plan("true", host={name: level}, results=PYTEST_RESULTS)
    wanted = replace(wanted, files=(*wanted.files, PLUGIN))
    checked = backend.check(wanted)
    if isinstance(checked, Unsupported):
        assert len(checked.reason.split()) > 3
        return
    with backend.start(wanted) as running:
        outcome = running.wait()
    assert outcome.evidence[name].holds, (outcome.evidence[name], outcome.exit_code, outcome.stderr.content)
    disturbed = {other: each for other, each in outcome.evidence.items() if not each.holds and other not in UNFIT}
    assert disturbed == {}
