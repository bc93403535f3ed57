"""The embedded target for a user without a range of ids: all on one id, and no privilege of this machine."""

import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from busybox_image import lay_layout
from nobody import ID, as_nobody, copy_for_all, packages_here, python_of_anybody

ROOT = Path(__file__).parents[3]
SERVE = ["/bin/busybox", "httpd", "-f", "-p", "8000", "-h", "/etc"]
DEPLOY = """
import http.client, json, sys, time
from pathlib import Path
from pipeline.declare.stage_file import DeployPart
from pipeline.release.deploy import Deployer
from pipeline.release.drift import drifts
from pipeline.release.load import under_load
from pipeline.release.targets.native import NativeTarget
from pipeline.release.targets.target import Wanted
from runtime.digest import Digest
from runtime.oci.image import Image
from runtime.oci.layout import Layout

place, digest, port = Path(sys.argv[1]), Digest(sys.argv[2]), int(sys.argv[3])
store, image = place / "store", Image.open(Layout(place / "image"), digest)
part = {
    "replicas": 2, "port": port, "health": {"http": "/passwd", "port": 8000},
    "volumes": [{"name": "data", "to": "/data"}],
    "before": ["sh", "-c", "echo kept >> /data/kept"],
    "smoke": ["sh", "-c", "cat /data/kept && /bin/busybox wget -q -O - http://127.0.0.1:8000/passwd"],
}

def wanted(number):
    deploy = DeployPart.model_validate(part)
    return Wanted(app="web", stage="dev", number=number, release=digest, image=image, layout=place / "image",
                  repository="", deploy=deploy)

target = NativeTarget(store)
deployer = Deployer(target=target, store=store, tell=lambda _: None)
deployer.deploy(wanted(1), acceptance=None, at=1)
with under_load(port, "/passwd", senders=2) as load:
    made = deployer.deploy(wanted(2), acceptance=None, at=2)
found = target.observe("web", "dev")
print(json.dumps({
    "states": [each.state for each in found],
    "drifts": [each.kind for each in drifts(made, found, digest)],
    "answered": load.answered, "failures": load.failures,
    "user": [each.facts.get("user") for each in found],
    "held": [each.facts["capabilities"]["held"] for each in found],
}))
target.remove("web", "dev")
"""


@pytest.fixture
def place():
    if os.geteuid():
        pytest.skip("only root can be a user without a range of ids")
    with tempfile.TemporaryDirectory(prefix="seatrial-nobody-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.slow
def test_user_with_one_id_deploys_and_exchanges_containers_without_a_lost_request(place, free_port):
    for each in ("specs", "pipeline", "runtime"):
        copy_for_all(ROOT / each, place / "project" / each)
    digest = lay_layout(place / "image", "web", Cmd=SERVE, User="1000:1000")
    for each in (place, *place.rglob("*")):
        os.chown(each, ID, ID)
    environment = {
        "PATH": os.defpath,
        "HOME": str(place),
        "PYTHONPATH": os.pathsep.join((str(place / "project"), *packages_here())),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    python = python_of_anybody(environment) or pytest.skip("no Python of this version that another user may start")
    done = as_nobody([python, "-c", DEPLOY, str(place), digest, str(free_port)], environment, place)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["states"] == ["running", "running"]
    assert found["drifts"] == []
    assert found["failures"] == []
    assert found["answered"] > 0
    assert found["user"] == [None, None]  # it is emulated, and the kernel knows no other than its own
    assert found["held"] == [[], []]
    assert (place / "store" / "volumes" / "web" / "dev" / "data" / "kept").read_text() == "kept\n" * 2
