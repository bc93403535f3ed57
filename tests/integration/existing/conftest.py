"""Images that other people's tools made, and a registry of this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "conformance"))

from engines import DEBIAN_PATH, program_of, started_dockerd
from registries import started_registry

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def skopeo():
    program = program_of("skopeo")

    def call(*arguments):
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


@pytest.fixture(scope="session")
def docker():
    """Start Debian's dockerd with everything of its own, and return what calls its client."""
    client = program_of("docker")
    with started_dockerd() as address:

        def call(*arguments):
            environment = {"PATH": DEBIAN_PATH, "HOME": "/nonexistent", "DOCKER_HOST": address}
            command = [client, *arguments]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0, done.stderr
            return done

        call.host = address
        yield call


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    """Start Debian's docker-registry on loopback, and return its address."""
    with started_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def closed_registry(tmp_path):
    """The same, for the user ``ann`` with the password ``secret`` alone."""
    # bcrypt, the one kind that docker-registry knows, by libcrypt of Debian.
    (tmp_path / "htpasswd").write_text("ann:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n")
    with started_registry(tmp_path, f"auth: {{htpasswd: {{realm: here, path: {tmp_path}/htpasswd}}}}\n") as address:
        yield address


class Project:
    """A folder with specs whose images are elsewhere, and the command of a user in it."""

    def __init__(self, folder, store):
        self.folder = folder
        self.store = store

    def run(self, *arguments, store=None, environment=None, check=True):
        own = {"SEATRIAL_STORE": str(store or self.store), "PYTHONPATH": str(ROOT)}
        environment = {**os.environ, **own, **(environment or {})}
        command = [sys.executable, "-m", "pipeline.cli.main", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def verify(self, *arguments, **options):
        done = self.run("verify", "--json", *arguments, **options)
        return json.loads(done.stdout)["environments"][0]

    def spec(self, image):
        """Write a spec with the suite of `schedule`, as envs/schedule.yaml has it."""
        text = (ROOT / "envs/schedule.yaml").read_text()
        path = self.folder / "there.yaml"
        suite = text[text.index("suite:") :]
        path.write_text(f"seatrial: 1\nimage: {{from: {json.dumps(image)}}}\nhosts: [umask-0077]\n{suite}")
        return path


@pytest.fixture
def project(tmp_path, store):
    return Project(tmp_path, store)


@pytest.fixture
def schedule(build):
    """Where other tools find the image of `schedule`."""
    return f"oci:{build('schedule').layout.root}:schedule"
