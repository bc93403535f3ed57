"""A gate over fifty statements: what the bench asks is let in, and in a full run it takes no longer than it may."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[3] / "bench"))

import gate as bench

BENCH = Path(bench.__file__)
BAR = pytest.mark.bar("6.8 gate over 50 statements")


@BAR
def test_release_of_the_bench_is_let_in_by_fifty_statements(tmp_path):
    asked = bench.ask(bench.make(tmp_path, int(time.time())))
    assert asked.decision.refusals == ()
    assert len(asked.question.policy.hosts) == len(bench.HOSTS)
    assert len(bench.bundles(asked, tmp_path / "store")) == bench.STATEMENTS


@BAR
@pytest.mark.slow
def test_gate_takes_no_longer_than_it_may():
    command = [sys.executable, BENCH, "--json"]
    done = subprocess.run(command, cwd=BENCH.parents[1], capture_output=True, check=False)
    found = json.loads(done.stdout)
    assert found["in process"]["median"] < bench.MOST_IN_PROCESS, found
    assert found["as a command"]["median"] < bench.MOST_AS_COMMAND, found
    assert done.returncode == 0
