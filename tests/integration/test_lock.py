"""Locks of real archives, made by the command that users type."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = """\
seatrial: 1
image: {debian: SUITE, packages: [tzdata]}
suite: {command: ["true"], results: exit}
"""


def lock(spec, store):
    environment = dict(os.environ, SEATRIAL_STORE=str(store), PYTHONPATH=str(ROOT))
    command = [sys.executable, "-m", "pipeline.cli.main", "lock", str(spec)]
    subprocess.run(command, env=environment, check=True, timeout=600)
    return json.loads(spec.with_name("small.lock.json").read_bytes())


@pytest.mark.network
@pytest.mark.slow
def test_lock_of_another_suite_keeps_nothing_of_the_first(tmp_path):
    first, moved = tmp_path / "first" / "small.yaml", tmp_path / "moved" / "small.yaml"
    for path in (first, moved):
        path.parent.mkdir()
    first.write_text(SPEC.replace("SUITE", "trixie"))
    moved.write_text(SPEC.replace("SUITE", "bookworm"))
    wanted = lock(first, tmp_path / "store")
    lock(moved, tmp_path / "store")
    moved.write_text(SPEC.replace("SUITE", "trixie"))
    found = lock(moved, tmp_path / "store")
    assert found["debian"] == "trixie"
    assert found["architectures"] == wanted["architectures"]
    assert lock(moved, tmp_path / "store") == found
