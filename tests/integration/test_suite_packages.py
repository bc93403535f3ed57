"""Debian packages that only a suite has: they are over the image in its runs, and the image is the one without them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from runtime.digest import Digest
from runtime.oci.image import Image
from runtime.oci.layout import Layout

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.network


def run(store, *arguments, expected=0):
    environment = {**os.environ, "SEATRIAL_STORE": str(store), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pipeline.cli.main", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout


def test_package_of_a_suite_is_in_its_runs_and_not_in_the_image(store, tmp_path):
    spec = yaml.safe_load((ROOT / "envs/schedule.yaml").read_text(encoding="utf-8"))
    script = "hello && grep -q '^Package: hello$' /var/lib/dpkg/status && python3 -c 'import schedule'"
    spec["suite"] = {"packages": ["hello"], "command": ["sh", "-c", script], "results": "exit"}
    (tmp_path / "schedule.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    (tmp_path / "schedule.lock.json").write_bytes((ROOT / "envs/schedule.lock.json").read_bytes())
    run(store, "lock", str(tmp_path / "schedule.yaml"))

    plain = json.loads(run(store, "build", "--locked", "--json", "envs/schedule.yaml"))
    found = json.loads(run(store, "build", "--locked", "--json", str(tmp_path / "schedule.yaml")))
    layout = Layout(store / "oci")
    layers = [Image.open(layout, Digest(each["image"])).layers for each in (plain, found)]
    assert layers[0] == layers[1]
    verdict = run(store, "verify", str(tmp_path / "schedule.yaml"), "--hosts", "umask-0077", "--locked", "--json")
    (environment,) = json.loads(verdict)["environments"]
    assert (environment["verdict"], environment["tests"]["passed"]) == ("PASSED", 1)
    run(store, "run", found["image"], "--", "sh", "-c", "hello", expected=127)
