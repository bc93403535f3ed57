"""One env of the corpus has one image and one behavior: by every runtime, on other kernels, with root and without."""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "conformance"))

from engines import started_dockerd, started_podman

ROOT = Path(__file__).parents[3]
RUNTIMES = {"runc": "runc", "crun": "crun", "gvisor": "runsc", "docker": "docker", "podman": "podman"}
KERNELS = {"linux-5.10": "5.10", "linux-6.1": "6.1", "linux-6.12": "6.12"}
ONE = ("image", "suite", "behavior")

pytestmark = [pytest.mark.network, pytest.mark.bar("4 one env everywhere")]


def verify(name, *hosts):
    return ("verify", spec(name), "--locked", "--fresh", "--json", "--no-progress", f"--hosts={','.join(hosts)}")


def spec(name):
    return f"envs/{name}.yaml"


def judged(done, who):
    """Return the environment of a verdict, and print its hosts, each with the time of its first run."""
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["unavailable"] == []
    (found,) = document["environments"]
    assert found["verdict"] == "PASSED"
    assert found["tests"]["passed"] > 0
    print(f"\n{found['name']} as {who}: image {found['image'][7:19]}, behavior {found['behavior'][7:19]}")
    for each in found["hosts"]:
        how = f"Linux {each['ambient']['kernel']:<28} {each['fidelity']:<8}"
        print(f"  {each['name']:<10} {how} {each['state']:<9} {each['seconds']:6.1f} s")
    return found


def hold(found, hosts, privileges):
    """Every host behaved as the reference, under the runtime and the kernel that it names."""
    states = {each["name"]: each for each in found["hosts"]}
    assert states.keys() == {"reference", *hosts}
    assert {each["behavior"] for each in states.values()} == {found["behavior"]}
    assert {each["state"] for name, each in states.items() if name != "reference"} == {"SAME"}
    assert states["reference"]["ambient"]["privileges"] == privileges
    here = states["reference"]["ambient"]["kernel"]
    for name, each in states.items():
        if name in KERNELS:
            assert each["ambient"]["kernel"].startswith(f"{KERNELS[name]}.")
            assert each["ambient"]["kernel"] == each["evidence"]["kernel"]
            assert each["ambient"]["cgroup"] == "v2"
        else:
            assert each["evidence"]["runtime"] == RUNTIMES.get(name, "native")
            assert each["ambient"]["kernel"] == here


@pytest.fixture(scope="module")
def env(pytestconfig):
    """The env: in a slice one that other tests build too, in a full run one of a Debian that nothing else here has."""
    return "itsdangerous" if pytestconfig.getoption("--resume") else "schedule"


@pytest.fixture(scope="module")
def of_root(build, env):
    """What root's verify says on every runtime and kernel, with engines that were started for it."""
    if os.geteuid():
        pytest.skip("only root makes users")
    built = build(env)
    with ExitStack() as stack:
        engines = {
            "DOCKER_HOST": stack.enter_context(started_dockerd()),
            "CONTAINER_HOST": stack.enter_context(started_podman()),
        }
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.cli.main", *verify(env, *RUNTIMES, *KERNELS)],
            cwd=ROOT, env={**os.environ, **engines, "SEATRIAL_STORE": str(built.store)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    return judged(done, "root")


def test_every_runtime_and_kernel_of_root_gives_the_same_behavior(of_root):
    hold(of_root, {*RUNTIMES, *KERNELS}, "rootful")


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
def test_machine_boots_and_the_suite_ends_well(name, env, of_root, build, capfd):
    command = [sys.executable, "-m", "pipeline.cli.main", "run", spec(env), "--host", name]
    environment = {**os.environ, "SEATRIAL_STORE": str(build(env).store)}
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stdout + done.stderr
    with capfd.disabled():
        print(f"\n{env} on {name}: {seconds:.1f} s from the command to the result, with the boot of its machine")


@pytest.mark.slow
def test_plain_user_with_a_range_of_ids_gives_the_same_image_and_behavior(env, of_root, build, ranged):
    hosts = ("runc", "crun", "gvisor", "linux-6.1")
    found = judged(as_plain_user(ranged, build(env), *hosts), "a plain user")
    hold(found, set(hosts), "rootless")
    assert {key: found[key] for key in ONE} == {key: of_root[key] for key in ONE}


@pytest.mark.slow
def test_plain_user_with_one_id_gives_the_same_image_and_behavior(env, of_root, build, bare):
    found = judged(as_plain_user(bare, build(env), "linux-6.12"), "a plain user with one id")
    hold(found, {"linux-6.12"}, "rootless, one id")
    assert {key: found[key] for key in ONE} == {key: of_root[key] for key in ONE}


def as_plain_user(account, built, *hosts):
    account.take(built.store / "cache", account.store / "cache")
    return account(".venv/bin/seatrial", *verify(built.spec.name, *hosts))
