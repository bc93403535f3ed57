"""Every level that a factor names takes effect, and is proved from inside the run."""

import pytest

from runtime.backend import Unsupported
from runtime.factors import FACTORS

# The small tree of these tests has no zone files and no locales; the suites with a Debian image test those.
UNFIT = {"timezone", "locale"}
# Every test of tests/conformance is a level of a runtime, a kernel or a processor; programs of another architecture
# are run by test_native_emulation.py, and those of this tree are no evidence for one. This tree has no plug-in that
# would order tests: test_levels.py of conformance has a stand-in, and test_pytest_plugin.py the plug-in.
ELSEWHERE = {"runtime", "kernel", "cpu-features", "architecture", "test-order"}
LEVELS = [(each.name, level) for each in FACTORS for level in each.levels if each.name not in UNFIT | ELSEWHERE]


@pytest.mark.parametrize(("name", "level"), LEVELS, ids=[f"{name}={level}" for name, level in LEVELS])
def test_level_takes_effect_or_is_unsupported_with_a_hint(native, plan, run, name, level):
    checked = native.check(plan("true", host={name: level}))
    if isinstance(checked, Unsupported):
        assert checked.hint
        pytest.skip(checked.reason)
    outcome = run("true", host={name: level})
    assert outcome.evidence[name].holds, (outcome.evidence[name], outcome.exit_code, outcome.stderr.content)
    disturbed = {other: each for other, each in outcome.evidence.items() if not each.holds and other not in UNFIT}
    assert disturbed == {}
