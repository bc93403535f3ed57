"""Both versions of control groups on one machine, each hidden in turn: a limit holds where its controller is.

Root hides a version in a mount namespace of a process's own; the process then runs a plan with limits, as users do.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from crafted import plan_of

pytestmark = pytest.mark.bar("6 control groups")

HERE = Path(__file__).parent
ALL = "true"  # is what hides nothing
NO_SECOND = "umount /sys/fs/cgroup/unified"
NO_FIRST = "umount --recursive /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup"
LIMITS = {"memory": "64M", "processes": "16", "cpu-quota": "50%"}

CLIENT = """
import json, sys
sys.path[:0] = {paths!r}
from pathlib import Path
from crafted import plan_of
from runtime.backend import Unsupported
from runtime.backends.native.backend import NativeBackend
with NativeBackend(lambda _: (Path({layer!r}),)) as backend:
    plan = plan_of("bash", "-c", "cat /proc/self/cgroup; a=x; while :; do a=$a$a; done", host={limits!r})
    refused = backend.check(plan)
    if isinstance(refused, Unsupported):
        print(json.dumps({{"reason": refused.reason, "hint": refused.hint, "cgroup": backend.ambient["cgroup"]}}))
    else:
        with backend.start(plan) as running:
            outcome = running.wait()
        held = {{name: outcome.evidence[name].holds for name in {limits!r}}}
        print(json.dumps({{"held": held, "limit": outcome.limit, "cgroup": outcome.ambient["cgroup"]}}))
"""


@pytest.fixture(scope="module", autouse=True)
def _needs_both_versions():
    if os.geteuid():
        pytest.skip("only root hides control groups from itself")
    if not Path("/sys/fs/cgroup/unified/cgroup.controllers").exists() or not Path("/sys/fs/cgroup/memory").exists():
        pytest.skip("this machine has one version of control groups")


def found_where(hide, layer):
    """Return what a plan with every limit comes to where some control groups are hidden."""
    script = CLIENT.format(paths=[str(HERE.parents[1]), str(HERE)], layer=str(layer), limits=LIMITS)
    command = ["unshare", "--mount", "sh", "-c", f'{hide} && exec "$@"', "sh", sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("hide", [ALL, NO_SECOND], ids=["both", "first"])
def test_limits_hold_by_the_first_version_whether_the_second_is_there_or_not(hide, layer):
    found = found_where(hide, layer)
    assert found == {"held": dict.fromkeys(LIMITS, True), "limit": "oom", "cgroup": "v1"}


def test_second_version_without_controllers_is_told_and_limits_nothing(layer):
    found = found_where(NO_FIRST, layer)
    assert "needs control groups" in found["reason"]
    assert found["cgroup"] == "none"


def test_groups_of_a_run_are_made_in_the_first_version_and_none_in_the_second(backends):
    with backends("native").start(plan_of("sleep", "30", host=LIMITS)):
        assert groups_of_runs("memory")
        assert not groups_of_runs("unified")


def groups_of_runs(hierarchy):
    """Return the groups below a hierarchy that bear the name of a run; engines name theirs otherwise."""
    found = Path("/sys/fs/cgroup", hierarchy).glob("**/seatrial-*")
    return [each for each in found if re.fullmatch(r"seatrial-\d+-\d+-\d+-\d+", each.name)]
