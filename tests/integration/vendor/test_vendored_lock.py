"""A lock that was vendored is built from its registry alone, on a machine that has nothing else."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "conformance"))

from engines import program_of

ROOT = Path(__file__).parents[3]
SMALL = """\
seatrial: 1
image:
  debian: trixie
  packages: [tzdata]
  python: {packages: ["itsdangerous==2.2.0"]}
suite:
  files: [{sdist: itsdangerous==2.2.0, to: /app, only: [tests]}]
  command: [python3, -c, "import itsdangerous"]
  results: exit
"""
# A network of its own has its loopback only, down; the registry is the one address in it. Whatever else is asked for
# goes to a proxy, which answers nothing and writes down that it was asked.
ALONE = """ip link set lo up
"$PYTHON" -c "$RECORDER" "$ASKED" >/dev/null 2>&1 & recorder=$!
"$REGISTRY" serve "$CONFIG" >/dev/null 2>&1 & server=$!
trap 'kill $server $recorder' EXIT
for _ in $(seq 100); do (: < "/dev/tcp/127.0.0.1/$PORT") 2>/dev/null && [ -e "$ASKED" ] && break; sleep 0.1; done
[ -e "$ASKED" ] || exit 70
"$@"
"""
PROXY = 3128
RECORDER = f"""
import socket, sys
server = socket.create_server(("127.0.0.1", {PROXY}))
asked = open(sys.argv[1], "ab", buffering=0)
while True:
    connection, _ = server.accept()
    asked.write(connection.recv(4096).partition(b"\\r")[0] + b"\\n")
    connection.close()
"""


class Machine:
    """A user's folder, and a registry that is reached from it."""

    def __init__(self, folder):
        self.folder = folder
        self.spec = folder / "small.yaml"
        self.lock = folder / "small.lock.json"
        self.blobs = folder / "registry" / "docker" / "registry" / "v2" / "blobs" / "sha256"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        config = folder / "config.yml"
        config.write_text(
            f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\n"
            f"http: {{addr: 127.0.0.1:{self.port}}}\n"
        )
        self.serve = [program_of("docker-registry"), "serve", str(config)]

    def run(self, *arguments, store, before=(), check=True, more=None):
        direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        environment = {
            **os.environ,
            "no_proxy": f"{direct},127.0.0.1" if direct else "127.0.0.1",
            "SEATRIAL_STORE": str(store),
            "PYTHONPATH": str(ROOT),
            "REGISTRY": self.serve[0],
            "CONFIG": self.serve[2],
            "PORT": str(self.port),
            **(more or {}),
        }
        command = [*before, sys.executable, "-m", "pipeline.cli.main", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=900, check=False
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def alone(self, *arguments, store, check=True, registry=None):
        """Run a command beside the registry only; return how it ended, and what else it asked for."""
        asked = store.with_name(f"{store.name}.asked")
        proxy = f"http://127.0.0.1:{PROXY}"
        more = {"ASKED": str(asked), "PYTHON": sys.executable, "RECORDER": RECORDER, "no_proxy": "127.0.0.1"}
        more |= {"http_proxy": proxy, "https_proxy": proxy}
        more |= {"REGISTRY": registry} if registry else {}
        before = ("unshare", "--net", "bash", "-c", ALONE, "bash")
        done = self.run(*arguments, store=store, before=before, check=check, more=more)
        return done, asked.read_text().splitlines()

    @contextlib.contextmanager
    def registry(self):
        server = subprocess.Popen(self.serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(100):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5):
                    break
                time.sleep(0.1)
            yield
        finally:
            server.terminate()
            server.wait()


@pytest.fixture(scope="module")
def vendored(tmp_path_factory, pytestconfig, build):
    """A lock that is vendored, the store that it was made and built with, and the digests that were built.

    In a full run all of it is made anew; a slice vendors the lock of an env that other tests build too.
    """
    if os.geteuid() != 0:
        pytest.skip("a network of its own without ids of its own is root's to make")
    machine = Machine(tmp_path_factory.mktemp("vendored"))
    if pytestconfig.getoption("--resume"):
        store = machine.folder / "first"
        machine.spec.write_text(SMALL)
        machine.run("lock", machine.spec, store=store)
    else:
        store = build("schedule").store
        shutil.copy(ROOT / "envs/schedule.yaml", machine.spec)
        shutil.copy(ROOT / "envs/schedule.lock.json", machine.lock)
    plain = machine.lock.read_bytes()
    built = json.loads(machine.run("build", machine.spec, "--json", store=store).stdout)
    with machine.registry():
        machine.run("lock", machine.spec, "--vendor", f"127.0.0.1:{machine.port}/kept/small:1", store=store)
    return machine, store, json.loads(plain), built


def blob(machine, hexadecimal):
    return machine.blobs / hexadecimal[:2] / hexadecimal / "data"


def manifest_of(machine):
    reference = json.loads(machine.lock.read_bytes())["vendored"]
    return json.loads(blob(machine, reference.rpartition(":")[2]).read_bytes())


@pytest.mark.network
@pytest.mark.bar("5 vendored lock")
def test_build_from_the_registry_alone_has_the_same_digest(vendored, scratch):
    machine, _, _, built = vendored
    again, asked = machine.alone("build", machine.spec, "--json", store=scratch / "empty")
    assert json.loads(again.stdout) == built
    assert asked == []


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.bar("5 vendored lock")
def test_verify_from_the_registry_alone_has_the_same_image(vendored, tmp_path):
    machine, _, _, built = vendored
    verified, asked = machine.alone("verify", machine.spec, "--locked", "--json", store=tmp_path / "other", check=False)
    assert asked == []
    (environment,) = json.loads(verified.stdout)["environments"]
    assert built["image"] in verified.stdout, environment


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.bar("5 vendored lock")
def test_without_the_registry_the_same_machine_can_build_nothing(vendored, tmp_path):
    machine, *_ = vendored
    done, asked = machine.alone("build", machine.spec, store=tmp_path / "empty", check=False, registry="true")
    assert asked, "what else is asked for would not be seen"
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"127.0.0.1:{machine.port}/kept/small@sha256:" in done.stderr


@pytest.mark.network
@pytest.mark.bar("5 vendored lock")
def test_artifact_has_every_file_of_the_lock_and_the_signed_indexes(vendored):
    machine, _, plain, _ = vendored
    named = set()
    for platform in plain["architectures"].values():
        for tree in (platform["image"], platform["suite"]):
            named |= {each["hash"] for kind in ("debian", "python", "sources") for each in tree[kind]}
    manifest = manifest_of(machine)
    assert manifest["artifactType"] == "application/vnd.seatrial.vendored.v1+json"
    kept = {each["annotations"]["dev.seatrial.hash"]: each for each in manifest["layers"]}
    assert named < kept.keys()
    titles = {kept[each]["annotations"]["org.opencontainers.image.title"] for each in kept.keys() - named}
    assert titles == {
        f"debian/dists/{plain['debian']}/InRelease",
        f"debian/dists/{plain['debian']}-updates/InRelease",
        f"debian-security/dists/{plain['debian']}-security/InRelease",
    }
    for name, layer in kept.items():
        raw = blob(machine, layer["digest"].partition(":")[2]).read_bytes()
        algorithm, _, digits = name.partition(":")
        assert hashlib.new(algorithm, raw).hexdigest() == digits
        assert len(raw) == layer["size"]
        assert "InRelease" not in layer["annotations"]["org.opencontainers.image.title"] or b"PGP SIGNED" in raw


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.bar("5 vendored lock")
def test_vendoring_changes_nothing_else_of_a_lock_which_stays_current(vendored):
    machine, store, plain, _ = vendored
    now = json.loads(machine.lock.read_bytes())
    assert now.pop("vendored").startswith(f"127.0.0.1:{machine.port}/kept/small@sha256:")
    assert now == plain
    machine.run("lock", "--check", machine.spec, store=store)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.bar("5 vendored lock")
def test_tampered_file_is_refused_with_its_reason(vendored, tmp_path):
    machine, *_ = vendored
    (layer,) = (each for each in manifest_of(machine)["layers"] if "/tzdata_" in json.dumps(each["annotations"]))
    path = blob(machine, layer["digest"].partition(":")[2])
    raw = path.read_bytes()
    path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    try:
        done, _ = machine.alone("build", machine.spec, store=tmp_path / "empty", check=False)
    finally:
        path.write_bytes(raw)
    assert done.returncode == 2, done.stdout + done.stderr
    assert re.match(r"error: cannot fetch debian(-security)?:pool/(updates/)?main/t/tzdata/", done.stderr), done.stderr
    assert "its hash is sha" in done.stderr
    assert "is locked" in done.stderr
