"""An env for 64-bit ARM, built and its suite run on this machine: by root and by a plain user, to the same images."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SPEC = "envs/examples/arm64.yaml"
VERIFY = ("verify", SPEC, "--locked", "--json", "--no-progress")

pytestmark = [pytest.mark.network, pytest.mark.bar("5 arm64 env")]


@pytest.fixture(scope="module", autouse=True)
def _needs_an_emulator():
    if platform.machine() != "x86_64":
        pytest.skip("arm64 is this machine's own architecture")
    if not shutil.which("qemu-aarch64-static"):
        pytest.skip("qemu-aarch64-static is not installed")


@pytest.fixture(scope="module")
def store_of_arm64(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arm64")
    yield folder / "store"
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def of_root(store_of_arm64):
    """What root's verify says; all is built anew, in a store of its own."""
    if os.geteuid():
        pytest.skip("only root makes users")
    command = [sys.executable, "-m", "pipeline.cli.main", *VERIFY]
    environment = {**os.environ, "SEATRIAL_STORE": str(store_of_arm64)}
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return judged(done, time.monotonic() - began, "root")


def judged(done, seconds, who):
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = json.loads(done.stdout)["environments"]
    print(f"\n{SPEC} as {who}: {found['verdict']} after {seconds:.0f} s, {found['tests']['passed']} tests")
    return found


def hold(found):
    """The suite passed on both architectures, each on the image that was built for it."""
    assert found["verdict"] == "PASSED"
    assert found["tests"]["passed"] > 0
    hosts = {each["name"]: each for each in found["hosts"]}
    assert {name: each["state"] for name, each in hosts.items()} == {"reference": "REFERENCE", "arm64": "SAME"}
    assert hosts["arm64"]["evidence"]["architecture"] == "arm64"
    assert hosts["arm64"]["fidelity"] == "advisory"
    assert hosts["arm64"]["behavior"] == found["behavior"]


def test_root_builds_an_arm64_env_and_its_suite_passes(of_root):
    hold(of_root)


@pytest.mark.slow
@pytest.mark.parametrize("who", ["ranged"])
def test_plain_user_builds_the_same_arm64_env_and_its_suite_passes(who, of_root, store_of_arm64, request):
    account = request.getfixturevalue(who)
    account.take(store_of_arm64 / "cache", account.store / "cache")  # downloads; what is built from them is its own
    began = time.monotonic()
    done = account(".venv/bin/seatrial", *VERIFY)
    found = judged(done, time.monotonic() - began, who)
    hold(found)
    assert {key: found[key] for key in ("image", "suite", "behavior")} == {
        key: of_root[key] for key in ("image", "suite", "behavior")
    }
