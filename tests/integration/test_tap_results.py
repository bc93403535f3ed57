"""A suite of Node's own runner, from the spec to the cause: what TAP on stdout becomes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = "envs/examples/javascript.yaml"
DIFFERS = "notes::can be read by everybody"

pytestmark = pytest.mark.network


def verify(store, hosts):
    command = [sys.executable, "-m", "pipeline.cli.main", "verify", "--locked", "--json", SPEC, "--hosts", hosts]
    environment = {**os.environ, "SEATRIAL_STORE": str(store), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.stdout, done.stderr
    (found,) = json.loads(done.stdout)["environments"]
    return done, found


@pytest.mark.slow
def test_javascript_is_the_same_where_nothing_matters_to_it(store):
    done, found = verify(store, "timezone-kolkata")
    assert (found["verdict"], found["tests"]["passed"], done.returncode) == ("PASSED", 3, 0), done.stderr


def test_javascript_that_differs_is_named_with_its_test_and_cause(store):
    done, found = verify(store, "umask-0077")
    (host,) = [each for each in found["hosts"] if each["state"] == "DIFFERENT"]
    (difference,) = host["differences"]
    assert (found["verdict"], done.returncode) == ("FAILED", 1), done.stderr
    assert (difference["kind"], difference["id"]) == ("test", DIFFERS)
    assert difference["cause"]["factors"] == {"umask": "0077"}
