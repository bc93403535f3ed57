"""Docker runs the identical image, and the suite run by hand in it tells what Seatrial's reference tells."""

import json
import subprocess
from pathlib import Path

import pytest

from pipeline.preparation import Options
from pipeline.spec_run import run_once
from pipeline.verify.pytest_results import read_pytest
from runtime.oci.image import Image

ROOT = Path(__file__).parents[3]
SPECS = ("web", *(pytest.param(each, marks=pytest.mark.slow) for each in ("schedule", "bottle", "itsdangerous")))
REFERENCE = (
    *("--network=none", "--sysctl=net.ipv6.conf.lo.disable_ipv6=0", "--hostname=seatrial", "--init"),
    *("--security-opt=no-new-privileges", "--memory=2g", "--pids-limit=4096", "--shm-size=64m"),
    *("--tmpfs=/tmp:rw,exec,nosuid,nodev,size=1g,mode=1777", "--ulimit=nofile=1024:1024", "--ulimit=core=0:0"),
    *("--env=LANG=C.UTF-8", "--env=PYTHONHASHSEED=0"),
)
"""The levels of the reference in the words of `docker run`."""

pytestmark = pytest.mark.network


@pytest.fixture(params=SPECS)
def built(request, build):
    return build(request.param)


@pytest.fixture
def loaded(built, docker, skopeo_copy, tmp_path):
    """The name under which Docker knows the image."""
    name = f"{built.spec.name}:built"
    skopeo_copy(f"oci:{built.layout.root}:{built.spec.name}", f"docker-archive:{tmp_path}/image.tar:{name}")
    docker("load", "--input", f"{tmp_path}/image.tar")
    return name


@pytest.mark.bar("3 docker")
def test_docker_load_keeps_config_and_layers(built, loaded, docker):
    image = Image.open(built.layout, built.image)
    (found,) = json.loads(docker("image", "inspect", loaded).stdout)
    assert found["Id"] == image.manifest["config"]["digest"]
    assert found["RootFS"]["Layers"] == [each.text for each in image.diff_ids]


@pytest.mark.bar("3 docker")
def test_suite_by_hand_under_docker_gives_the_outcomes_of_the_reference(built, loaded, docker, suite_tree):
    tree = suite_tree(built)
    results = tree / ".seatrial/out"
    results.mkdir(mode=0o777)
    results.chmod(0o1777)
    mounts = [f"--volume={tree / each}:/{each}:ro" for each in own_paths(built)]
    mounts.append(f"--volume={results}:/.seatrial/out")
    command = (*built.spec.suite.command, "-rA")
    user = built.spec.image.user
    who = (f"--user={user.uid}:{user.uid}", f"--env=HOME={user.home}")
    here = docker("run", "--rm", *REFERENCE, *who, *mounts, loaded, *command, check=False)

    reference, stdout = run_reference(built, command)
    assert here.returncode == reference.exit_code == 0, here.stdout + here.stderr
    assert outcomes(here.stdout) == outcomes(stdout)
    assert len(outcomes(stdout)) > 10
    assert results_of(read_pytest((results / "pytest.jsonl").read_bytes())) == results_of(
        read_pytest(reference.results)
    )


@pytest.mark.bar("3 docker")
def test_image_under_docker_has_no_tool_of_the_suite(built, loaded, docker):
    done = docker("run", "--rm", "--network=none", loaded, "python3", "-c", "import pytest", check=False)
    assert done.returncode == 1
    assert "No module named 'pytest'" in done.stderr


@pytest.mark.bar("3 docker")
def test_commands_of_the_how_to_run_as_they_are_written(build, docker, program, tmp_path):
    text = (ROOT / "docs/how-to/use-other-tools.md").read_text()
    script = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))
    folders = {str(Path(program(each)).parent) for each in ("skopeo", "docker", "python3")}
    environment = {
        "PATH": ":".join([*sorted(folders), "/usr/bin", "/bin"]),
        "HOME": str(tmp_path),
        "STORE": str(build("web").store),
        "DOCKER_HOST": docker.host,
    }
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("15 passed")


def own_paths(built):
    """Yield what is to be mounted: the highest paths of the suite that the image has not."""
    image, suite = built.entries(built.image), built.entries(built.suite)
    for path in sorted(suite):
        parent = path.rpartition("/")[0]
        if path not in image and (not parent or parent in image):
            yield path


def run_reference(built, command):
    """Run the suite once on the reference, and return the outcome and what it wrote."""
    written = []
    options = Options(store=built.store, locked=True)
    (outcome,) = run_once(
        str(built.spec.path), None, {}, command, 1, options, written.append, lambda _: None
    )
    return outcome, b"".join(written).decode()


def outcomes(stdout):
    """Return the lines of pytest's own summary, such as ``PASSED test_x.py::test_y``."""
    words = ("PASSED ", "FAILED ", "ERROR ", "SKIPPED ", "XFAIL ", "XPASS ")
    return sorted(each for each in stdout.splitlines() if each.startswith(words))


def results_of(report):
    """Return what is behavior of each test."""
    assert report.complete
    return {key: (each.outcome, each.phase, each.reason, each.exception) for key, each in report.tests.items()}
