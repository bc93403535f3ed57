"""Services from the spec to the verdict: what a user sees of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.declare.dependencies import answers
from pipeline.declare.read import read_specs

ROOT = Path(__file__).parents[2]
ASK = "import urllib.request; print(urllib.request.urlopen('http://web:8000/').status)"

HOSTS = ("umask-0077", "timezone-kolkata", "openshift")

pytestmark = pytest.mark.network


def verify(store, *arguments, cwd=ROOT):
    command = [sys.executable, "-m", "pipeline.cli.main", "verify", "--locked", "--json", *arguments]
    environment = {**os.environ, "SEATRIAL_STORE": str(store), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=1800, check=False)
    (found,) = json.loads(done.stdout)["environments"]
    return done, found


@pytest.fixture
def spec(tmp_path, build):
    """A spec whose service is its own image with another command: nothing more is built."""
    build("schedule")
    data = yaml.safe_load((ROOT / "envs" / "schedule.yaml").read_text(encoding="utf-8"))
    lock = json.loads((ROOT / "envs" / "schedule.lock.json").read_text(encoding="utf-8"))
    platform = lock["architectures"]["amd64"]
    platform["services"] = {"web": platform["image"]}
    serve = ["python3", "-m", "http.server", "--bind", "127.0.0.1", "8000"]
    data["services"] = {"web": {"image": data["image"], "command": serve, "ready": {"tcp": 8000}}}
    data["suite"] |= {"command": ["python3", "-c", ASK], "results": "exit"}
    (tmp_path / ".git").mkdir()
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(data))
    lock["answers"] = answers(read_specs([path])[0]).text
    (tmp_path / "spec.lock.json").write_text(json.dumps(lock))
    return path


def test_suite_reaches_its_service_on_each_host_and_nothing_is_said_of_it(store, spec):
    done, found = verify(store, "spec.yaml", "--hosts", "umask-0077,no-ipv6,no-network", cwd=spec.parent)
    states = {each["name"]: each["state"] for each in found["hosts"]}
    assert states == {
        "reference": "REFERENCE",
        "umask-0077": "SAME",
        "no-ipv6": "SAME",
        "no-network": "UNAVAILABLE",
    }, done.stderr
    assert "http.server" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.bar("3 services")
@pytest.mark.parametrize("host", HOSTS)
def test_app_with_postgresql_and_redis_is_passed(store, host):
    done, found = verify(store, "envs/examples/orders.yaml", "--hosts", host)
    assert (found["verdict"], found["tests"]["passed"], done.returncode) == ("PASSED", 6, 0), done.stderr
