"""Specs of `envs/` built through the command into one store, and the tools of other people that read it.

The tools are Debian's, never others of the same name that come first on the path.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.declare.read import read_specs
from pipeline.declare.spec import EnvSpec
from runtime.backends.native.idmap import BASE
from runtime.backends.native.mapped import run_mapped
from runtime.digest import Digest
from runtime.oci.image import Image
from runtime.oci.layout import Layout
from runtime.oci.trees import Trees

ROOT = Path(__file__).parents[3]
DEBIAN_PATH = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A spec, and what was built from it."""

    store: Path
    spec: EnvSpec
    image: Digest
    suite: Digest

    @property
    def layout(self) -> Layout:
        return Layout(self.store / "oci")

    def entries(self, manifest: Digest) -> dict[str, tarfile.TarInfo]:
        """Return path → what the layers hold there, the highest last, read by no code of ours."""
        found = {}
        for layer in Image.open(self.layout, manifest).layers:
            with tarfile.open(self.layout.path(layer.descriptor.digest)) as archive:
                found |= {each.name: each for each in archive}
        return found


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("store")
    yield folder
    owner = (BASE, BASE) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    trees = Trees(folder / "trees", Layout(folder / "oci"), run_mapped, owner=owner)
    for each in (folder / "trees").iterdir():
        trees.remove(each)  # its files may belong to ids that this user cannot act as


@pytest.fixture(scope="session")
def build(store: Path) -> Callable[[str], Built]:
    """Build a spec of `envs/` by its name, once a session."""
    done: dict[str, Built] = {}

    def build_once(name: str) -> Built:
        if name not in done:
            path = ROOT / "envs" / f"{name}.yaml"
            command = (sys.executable, "-m", "pipeline.cli.main", "build", "--locked", "--json", str(path))
            environment = {**os.environ, "SEATRIAL_STORE": str(store)}
            found = json.loads(run(*command, cwd=ROOT, env=environment))
            (spec,) = read_specs([path])
            done[name] = Built(store=store, spec=spec, image=Digest(found["image"]), suite=Digest(found["suite"]))
        return done[name]

    return build_once


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    return program_of


def program_of(name: str) -> str:
    """Return the path of Debian's program of that name."""
    found = shutil.which(name, path=DEBIAN_PATH)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture(scope="session")
def skopeo_copy() -> Callable[[str, str], None]:
    skopeo = program_of("skopeo")
    return lambda source, target: run(skopeo, "copy", "--quiet", source, target) and None


@pytest.fixture(scope="session")
def suite_tree(
    skopeo_copy: Callable[[str, str], None], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Built], Path]:
    """Unpack a suite as a person would: `skopeo copy` to a folder, and `tar` for each layer."""

    def unpack(built: Built) -> Path:
        copy, tree = (tmp_path_factory.mktemp(f"{built.spec.name}-{each}") for each in ("suite", "tree"))
        skopeo_copy(f"oci:{built.layout.root}:{built.spec.name}/suite", f"dir:{copy}")
        for layer in json.loads((copy / "manifest.json").read_bytes())["layers"]:
            blob = copy / Digest(layer["digest"]).hex
            run("tar", "--extract", "--gzip", "--numeric-owner", f"--directory={tree}", f"--file={blob}")
        return tree

    return unpack


@pytest.fixture(scope="session")
def docker() -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Start Debian's dockerd with everything of its own, and return what calls its client."""
    if os.geteuid() != 0:
        pytest.skip("dockerd is started by root only")
    client, daemon = program_of("docker"), program_of("dockerd")
    with contextlib.ExitStack() as stack:
        # A short path: sockets below it must stay under 108 bytes.
        folder = Path(tempfile.mkdtemp(prefix="seatrial-docker-"))
        stack.callback(shutil.rmtree, folder)
        stack.callback(remove_cgroups, folder.name)
        log = stack.enter_context((folder / "log").open("w+b"))
        # Its mounts are in a namespace of its own, and end with it; an empty /run keeps the machine's containerd away.
        private = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs run /run && exec "$@"', "sh"]
        command = [*private, daemon, *daemon_options(folder)]
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        stack.callback(stop, process, folder)

        def call(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
            environment = {"PATH": DEBIAN_PATH, "HOME": str(folder), "DOCKER_HOST": f"unix://{folder}/socket"}
            command = [client, *arguments]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
            assert not check or done.returncode == 0, done.stderr
            return done

        for _ in range(300):
            if process.poll() is not None or call("version", check=False).returncode == 0:
                break
            time.sleep(0.1)
        assert process.poll() is None, (folder / "log").read_text()
        call("version")
        yield call


def daemon_options(folder: Path) -> Iterator[str]:
    """Yield options that keep a dockerd away from the machine's own, its network and its control groups."""
    names = {"data-root": "data", "exec-root": "run", "pidfile": "pid"}
    yield from (f"--{option}={folder}/{name}" for option, name in names.items())
    yield f"--host=unix://{folder}/socket"
    yield f"--config-file={folder}/daemon.json"
    (folder / "daemon.json").write_text("{}")
    yield from (f"--containerd-namespace={folder.name}", f"--containerd-plugins-namespace={folder.name}-plugins")
    yield from ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")
    yield from (f"--cgroup-parent=/{folder.name}", "--exec-opt=native.cgroupdriver=cgroupfs")


def stop(process: subprocess.Popen[bytes], folder: Path) -> None:
    """End dockerd, and the containerd that it started if it left it."""
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        left = folder / "run/containerd/containerd.pid"
        if left.exists():
            os.kill(int(left.read_text()), signal.SIGKILL)


def remove_cgroups(name: str) -> None:
    """Remove the control groups that dockerd made for its containers, and leaves."""
    for folder in (*Path("/sys/fs/cgroup").glob(f"*/{name}"), *Path("/sys/fs/cgroup").glob(name)):
        folder.rmdir()


def run(*command: str, **options: object) -> str:
    """Run a command that must succeed, and return what it wrote to stdout."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, **options)
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout
