"""The tools of other people: Debian's, never others of the same name that come first on the path."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.digest import Digest

DEBIAN_PATH = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


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
) -> Callable[..., Path]:
    """Unpack a suite as a person would: `skopeo copy` to a folder, and `tar` for each layer."""

    def unpack(built) -> Path:
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

        call.host = f"unix://{folder}/socket"
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
