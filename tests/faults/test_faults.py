"""Small apps with one seeded portability bug each: it is found, its factor is named, and its reproducer reproduces.

An app is a spec beside this file and a folder of its name; ``expected.json`` in it says what must be found.
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NAMES = sorted(path.parent.name for path in HERE.glob("*/expected.json"))

pytestmark = pytest.mark.network


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """A folder with the program `seatrial` of this checkout, for commands that are pasted into a shell."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "seatrial"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m pipeline.cli.main "$@"\n')
    program.chmod(0o755)
    return folder


@pytest.fixture
def shell(programs, store):
    def paste(line):
        environment = {**os.environ, "SEATRIAL_STORE": str(store), "PATH": f"{programs}:{os.environ['PATH']}"}
        command = ["bash", "-c", line]
        return subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True, check=False)

    return paste


@pytest.mark.bar("5 faults", slice=3)
@pytest.mark.parametrize("name", NAMES)
def test_fault_is_found_named_and_reproduced(name, shell):
    expected = json.loads((HERE / name / "expected.json").read_bytes())
    done = shell(f"seatrial verify {name}.yaml --locked --json")
    assert done.returncode == 1, done.stdout + done.stderr
    (environment,) = json.loads(done.stdout)["environments"]
    here = [each for each in environment["hosts"] if each["state"] != "UNAVAILABLE"]
    commands = set()
    for host in here[1:]:
        is_hit = host["name"] in expected["hosts"]
        assert (host["name"], host["state"]) == (host["name"], "DIFFERENT" if is_hit else "SAME")
        found = host.get("differences", [])
        assert {each["id"]: [each["reference"], each["here"]] for each in found} == (
            expected["tests"] if is_hit else {}
        )
        assert all(each["cause"]["state"] == "CAUSED" for each in found)
        assert all(each["cause"]["factors"] == expected["factors"] for each in found)
        commands |= {each["reproduce"] for each in found}
    assert commands
    for command in commands:
        assert shell(command).returncode == 1, command
        words = shlex.split(command)
        place = words.index("--set")
        without = shlex.join(words[:place] + words[place + 2 :])
        assert shell(without).returncode == 0, without
