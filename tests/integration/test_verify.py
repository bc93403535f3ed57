"""The main job on a real application: from the lock to the verdict, through the command that users type."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).parents[2]


def run(store, *arguments):
    environment = dict(os.environ, SEATRIAL_STORE=str(store))
    command = [sys.executable, "-m", "pipeline.cli.main", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.network
def test_verify_of_a_real_application_passes_and_runs_nothing_twice(store, build):
    build("schedule")  # as other modules do, perhaps at this time
    arguments = ("verify", "envs/schedule.yaml", "--hosts", "umask-0077,no-network,locale-c", "--locked", "--json")
    first = run(store, *arguments)
    assert first.returncode == 0, first.stdout + first.stderr
    schema = json.loads((ROOT / "specs/verdict.schema.json").read_text())
    jsonschema.Draft7Validator(schema).validate(json.loads(first.stdout))
    (found,) = json.loads(first.stdout)["environments"]
    assert found["verdict"] == "PASSED"
    assert found["tests"]["passed"] == 81
    assert [each["state"] for each in found["hosts"]] == ["REFERENCE", "SAME", "SAME", "SAME"]
    assert {each["behavior"] for each in found["hosts"]} == {found["behavior"]}

    second = run(store, *arguments)
    (again,) = json.loads(second.stdout)["environments"]
    assert (again["image"], again["suite"], again["behavior"]) == (found["image"], found["suite"], found["behavior"])
