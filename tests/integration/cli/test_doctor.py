"""``seatrial doctor`` of this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).parents[3]
LIMITS = {"memory", "processes", "cpu-quota"}


def doctor(*words):
    command = [sys.executable, "-c", "from pipeline.cli.main import main; main()", "doctor", *words]
    environment = {**os.environ, "PYTHONPATH": f"{HOME}:{os.environ.get('PYTHONPATH', '')}"}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", env=environment)


def test_doctor_tells_of_every_level_and_a_command_for_every_missing_limit():
    found = json.loads(doctor("--json").stdout)
    parts = {each["name"]: each for each in found["abilities"]}
    assert parts.keys() >= {"native", "user namespaces", "overlayfs", "seccomp", "launcher", "ids", *LIMITS}
    assert all(each["hint"].strip() for name, each in parts.items() if name in LIMITS and not each["available"])
    levels = {(each["name"], each["level"]): each for each in found["levels"]}
    assert levels["umask", "0077"]["fidelity"] == "native" or not parts["native"]["available"]
    for name, level in (("memory", "512M"), ("processes", "64"), ("cpu-quota", "50%")):
        assert levels[name, level]["available"] is parts[name]["available"]


def test_doctor_says_it_in_words():
    shown = doctor().stdout
    assert "levels of" in shown
    assert "launcher" in shown
