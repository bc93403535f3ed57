"""The README's first command as a user without a range of ids: PASSED, and the image is the one that others build."""

import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from nobody import ID, as_nobody, copy_for_all, packages_here, python_of_anybody

ROOT = Path(__file__).parents[3]
HOSTS = "openshift,user-root,home-unwritable,umask-0077"

pytestmark = [pytest.mark.network, pytest.mark.slow]


@pytest.fixture
def place():
    if os.geteuid():
        pytest.skip("only root can be a user without a range of ids")
    with tempfile.TemporaryDirectory(prefix="seatrial-one-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("name", ["web", "schedule", "bottle", "itsdangerous"])
def test_verify_without_a_range_of_ids_passes_with_the_same_image(name, build, place):
    built = build(name)
    project = place / "project"
    for each in ("envs", "specs", "pipeline", "runtime"):
        copy_for_all(ROOT / each, project / each)
    copy_for_all(built.store / "cache", place / "store" / "cache")
    for each in (place, *place.rglob("*")):
        os.chown(each, ID, ID)
    environment = {key: value for key, value in os.environ.items() if "INDEX" in key or "CERT" in key}
    environment |= {
        "PATH": os.defpath,
        "HOME": str(place),
        "PYTHONPATH": os.pathsep.join((str(project), *packages_here())),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SEATRIAL_STORE": str(place / "store"),
    }
    python = python_of_anybody(environment) or pytest.skip("no Python of this version that another user may start")
    seatrial = [python, "-m", "pipeline.cli.main"]
    verify = [*seatrial, "verify", f"envs/{name}.yaml", f"--hosts={HOSTS}", "--locked", "--json"]
    done = as_nobody(verify, environment, project)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = json.loads(done.stdout)["environments"]
    assert found["verdict"] == "PASSED"
    assert found["image"] == built.image.text
    assert [each["state"] for each in found["hosts"]] == ["REFERENCE", *["SAME"] * (HOSTS.count(",") + 1)]
    assert {each["fidelity"] for each in found["hosts"] if "user" in each["factors"]} == {"emulated"}
    assert all("user" in each["emulated"] for each in found["hosts"])
    users = {each["name"]: each["evidence"]["user"] for each in found["hosts"]}
    assert "write=EACCES read=EACCES" in users["reference"]
    assert "write=EACCES read=yes" in users["openshift"]
    assert "write=yes read=yes" in users["user-root"]
    doctor = as_nobody([*seatrial, "doctor"], environment, project)
    assert doctor.returncode == 0, doctor.stderr
    assert "one id is used" in doctor.stdout
    assert f"echo {ID}:" in doctor.stdout
