"""Engines of other people, Debian's, started with everything of their own and ended by their process ids."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from docker import APIClient

DEBIAN_PATH = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


def program_of(name: str) -> str:
    """Return the path of Debian's program of that name."""
    found = shutil.which(name, path=DEBIAN_PATH)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def fresh_place(engine: str) -> Path:
    """Make a folder of an engine's own; its path is short, as sockets below it must stay under 108 bytes.

    Its name is none of ``mkdtemp``: containerd takes it as a namespace, which has no ``_`` at its end nor two in a row.
    """
    folder = Path(tempfile.gettempdir()) / f"seatrial-{engine}-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    return folder


@contextlib.contextmanager
def started_dockerd(settings: Mapping[str, object] | None = None) -> Iterator[str]:
    """Start Debian's dockerd, with settings as in its daemon.json, and give its address."""
    if os.geteuid() != 0:
        pytest.skip("dockerd is started by root only")
    daemon = program_of("dockerd")
    with contextlib.ExitStack() as stack:
        folder = fresh_place("docker")
        stack.callback(shutil.rmtree, folder)
        stack.callback(remove_cgroups, folder.name)
        log = stack.enter_context((folder / "log").open("w+b"))
        # Its mounts are in a namespace of its own, and end with it; an empty /run keeps the machine's containerd away.
        private = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs run /run && exec "$@"', "sh"]
        command = [*private, daemon, *daemon_options(folder, settings or {})]
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        stack.callback(stop, process, folder)
        address = f"unix://{folder}/socket"
        for _ in range(300):
            if process.poll() is not None or _answers(address):
                break
            time.sleep(0.1)
        assert process.poll() is None, (folder / "log").read_text()
        assert _answers(address)
        yield address


@contextlib.contextmanager
def started_podman() -> Iterator[str]:
    """Start Debian's Podman as a service with a store of its own, and give its address."""
    podman = program_of("podman")
    with contextlib.ExitStack() as stack:
        folder = fresh_place("podman")
        stack.callback(_remove_store, podman, folder)
        address = f"unix://{folder}/socket"
        log = stack.enter_context((folder / "log").open("w+b"))
        command = [podman, *podman_options(folder), "system", "service", "--time=0", address]
        process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, cwd=folder
        )
        stack.callback(stop, process, folder)
        for _ in range(300):
            if process.poll() is not None or _answers(address):
                break
            time.sleep(0.1)
        assert process.poll() is None, (folder / "log").read_text()
        assert _answers(address)
        yield address


def podman_options(folder: Path) -> Iterator[str]:
    """Yield options that give a Podman its own store; runc, as Debian's crun refuses a machine with both cgroups."""
    yield from (f"--root={folder}/root", f"--runroot={folder}/run", f"--tmpdir={folder}/tmp")
    yield from ("--runtime=runc", "--cgroup-manager=cgroupfs", "--events-backend=file", "--network-backend=cni")


def _answers(address: str) -> bool:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as attempt:
            attempt.connect(address.removeprefix("unix://"))
    except OSError:
        return False
    client = APIClient(base_url=address, version="auto", timeout=10)
    client.close()
    return True


def _remove_store(podman: str, folder: Path) -> None:
    subprocess.run([podman, *podman_options(folder), "system", "reset", "--force"], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def daemon_options(folder: Path, settings: Mapping[str, object]) -> Iterator[str]:
    """Yield options that keep a dockerd away from the machine's own, its network and its control groups."""
    names = {"data-root": "data", "exec-root": "run", "pidfile": "pid"}
    yield from (f"--{option}={folder}/{name}" for option, name in names.items())
    yield f"--host=unix://{folder}/socket"
    yield f"--config-file={folder}/daemon.json"
    (folder / "daemon.json").write_text(json.dumps(settings))
    yield from (f"--containerd-namespace={folder.name}", f"--containerd-plugins-namespace={folder.name}-plugins")
    yield from ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")
    yield from (f"--cgroup-parent=/{folder.name}", "--exec-opt=native.cgroupdriver=cgroupfs")


def stop(process: subprocess.Popen[bytes], folder: Path) -> None:
    """End an engine with what it started (Podman without root is two processes), and a containerd that it left."""
    os.killpg(process.pid, signal.SIGTERM)
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
