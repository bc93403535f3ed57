"""Ten drifts, each made as somebody would make it, are found and named within five seconds."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pipeline.release.drift import Kind, drifts
from pipeline.release.targets.target import ReplicaState
from runtime.digest import Digest

SECONDS = 5.0

pytestmark = pytest.mark.network
OTHER = Digest("sha256:" + "0" * 64)


def pid_of(deployment):
    """Return the pid of the newest container's process 1."""
    lines = [line for line in deployment.log.splitlines() if ", pid " in line]
    return int(lines[-1].rpartition(" ")[2])


def program_of(deployment):
    init = pid_of(deployment)
    return int(Path(f"/proc/{init}/task/{init}/children").read_text().split()[0])


def inside(deployment, *argv, background=False):
    """Run a command of this machine in the namespaces of the container, as its root."""
    spaces = ["--user", "--mount", "--pid", "--net"]
    kept = [] if os.geteuid() == 0 else ["--preserve-credentials"]
    entered = ["nsenter", "--target", str(program_of(deployment)), *spaces, *kept, "--setuid", "0", "--setgid", "0"]
    if os.geteuid():
        entered = entered[:-4]
    if background:
        return subprocess.Popen([*entered, "--", *argv])
    return subprocess.run([*entered, "--", *argv], check=True, capture_output=True)


def edit_task(deployment, change):
    """Edit what the supervisor keeps, and end the container: it is started again as the file says."""
    path = deployment.folder / "task.json"
    task = json.loads(path.read_text())
    change(task)
    path.write_text(json.dumps(task))
    before = pid_of(deployment)
    os.kill(before, signal.SIGKILL)
    due = time.monotonic() + 60
    while pid_of(deployment) == before or deployment.observed()[0].state is not ReplicaState.RUNNING:
        assert time.monotonic() < due
        time.sleep(0.05)


def move_tag(deployment, other):
    return OTHER


def change_env(deployment, other):
    edit_task(deployment, lambda task: task["deploy"]["env"].update(LEVEL="debug"))


def edit_file(deployment, other):
    inside(deployment, "/bin/sh", "-c", "echo '# edited' >> /srv/web/notes.py")


def add_mount(deployment, other):
    call = "import ctypes; raise SystemExit(ctypes.CDLL(None).mount(b'none', b'/srv', b'tmpfs', 0, None))"
    inside(deployment, "python3", "-c", call)


def add_capability(deployment, other):
    process = inside(deployment, "sleep", "60", background=True)
    time.sleep(0.3)
    return process


def change_kernel(deployment, other):
    edit_task(deployment, lambda task: task["levels"].update(personality="uname26"))


def stop_replica(deployment, other):
    os.kill(program_of(deployment), signal.SIGSTOP)


def replace_image(deployment, other):
    edit_task(deployment, lambda task: task.update(image=other.text))


def change_limits(deployment, other):
    subprocess.run(["prlimit", "--pid", str(program_of(deployment)), "--nofile=512:512"], check=True)


def change_user(deployment, other):
    edit_task(deployment, lambda task: task["levels"].update(user="root"))


SEEDED = {
    Kind.TAG: move_tag,
    Kind.ENVIRONMENT: change_env,
    Kind.FILE: edit_file,
    Kind.MOUNT_ADDED: add_mount,
    Kind.CAPABILITY_ADDED: add_capability,
    Kind.KERNEL: change_kernel,
    Kind.STOPPED: stop_replica,
    Kind.IMAGE: replace_image,
    Kind.LIMITS: change_limits,
    Kind.USER: change_user,
}


@pytest.mark.bar("6 drifts", slice=3)
@pytest.mark.parametrize("kind", SEEDED, ids=lambda each: each.value.replace(" ", "-"))
def test_seeded_drift_is_found_and_named(deployment, other_image, kind):
    made = deployment.deployer.deploy(deployment.wanted(), acceptance=None, at=1_800_000_000)
    live = deployment.image.digest
    assert drifts(made, deployment.observed(), live) == ()
    seed = SEEDED[kind]
    left = seed(deployment, other_image)
    began = time.monotonic()
    found = drifts(made, deployment.observed(), left if isinstance(left, Digest) else live)
    seconds = time.monotonic() - began
    if isinstance(left, subprocess.Popen):
        left.kill()
        left.wait()
    assert kind in {each.kind for each in found}, found
    assert seconds < SECONDS
