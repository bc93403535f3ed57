"""Where an engine listens; a service of Podman's is started where none runs, as its command line needs none."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from runtime.errors import BackendError

_START_TIME = 20.0  # seconds
_IDLE_TIME = 600  # seconds after which a service ends by itself, should nobody be left to end it
_TIMEOUT = 120  # seconds that an answer may take


class Service:
    """An engine's socket.

    Args:
        name: ``docker`` or ``podman``.
        address: such as ``unix:///run/docker.sock``.
        process: the service if we started it, ended by ``close``.
        folder: a folder of ours for its socket.
    """

    def __init__(
        self, name: str, address: str, process: subprocess.Popen[bytes] | None = None, folder: Path | None = None
    ) -> None:
        self._name, self._address, self._process, self._folder = name, address, process, folder

    @property
    def address(self) -> str:
        """Where the engine listens, as other programs of its kind are told by their environment."""
        return self._address

    def connect(self) -> tuple[Any, str]:
        """Return a client and the engine's version.

        Raises:
            BackendError: nothing answers there.
        """
        try:
            from docker import APIClient  # noqa: PLC0415 - the SDK is large
            from docker.errors import DockerException  # noqa: PLC0415 - likewise
        except ImportError as error:
            raise BackendError("the docker SDK is not installed", hint="run `pip install docker`") from error
        try:
            self._await_socket()
            client = APIClient(base_url=self._address, version="auto", timeout=_TIMEOUT)
            return client, str(client.version()["Version"])
        except (DockerException, OSError) as error:
            message = f"{self._name} does not answer at {self._address}: {error}"
            raise BackendError(message, hint=remedy(self._name, error)) from error

    def _await_socket(self) -> None:
        """Wait until somebody listens, where we have started who will; the SDK leaks a socket when nobody does."""
        if not self._address.startswith("unix://"):
            return
        end = time.monotonic() + (_START_TIME if self._process else 0)
        while True:
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as attempt:
                    attempt.connect(self._address.removeprefix("unix://"))
                    return
            except OSError:
                if time.monotonic() >= end or (self._process and self._process.poll() is not None):
                    raise
            time.sleep(0.05)

    def close(self) -> None:
        """End the service if we started it."""
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)  # without root Podman is two processes
            self._process.wait(30)
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)


def find_service(name: str, address: str = "") -> Service:
    """Return where the engine is, as its own command line would find it.

    Raises:
        BackendError: it is not installed, or not there.
    """
    if address:
        return Service(name, address)
    match name:
        case "docker":
            return Service(name, _docker_address())
        case _:
            return _podman()


def remedy(name: str, error: Exception | None = None) -> str:
    """Return the one command that makes an engine answer: it does not run, or this user may not use it."""
    if name == "podman":
        return "run `podman system service --time=0`"
    if isinstance(error, PermissionError):
        return "run `sudo usermod -aG docker $USER`, and log in again"
    return "run `sudo systemctl start docker`" if Path("/run/systemd/system").exists() else "run `sudo dockerd`"


def _docker_address() -> str:
    given = os.environ.get("DOCKER_HOST", "")
    if given:
        return given
    for path in (f"{os.environ.get('XDG_RUNTIME_DIR', '/nowhere')}/docker.sock", "/run/docker.sock"):
        if Path(path).exists():
            return f"unix://{path}"
    if shutil.which("dockerd") is None and shutil.which("docker") is None:
        raise BackendError("Docker is not installed", hint="run `sudo apt-get install docker.io`")
    raise BackendError("no Docker Engine listens at /run/docker.sock", hint=remedy("docker"))


def _options() -> tuple[str, ...]:
    """Return what Podman needs on a machine with both versions of control groups, which crun 1.8 refuses."""
    is_hybrid = Path("/sys/fs/cgroup/unified/cgroup.controllers").exists()
    return ("--runtime=runc", "--cgroup-manager=cgroupfs") if is_hybrid and shutil.which("runc") else ()


def _podman() -> Service:
    given = os.environ.get("CONTAINER_HOST", "")
    if given:
        return Service("podman", given)
    program = shutil.which("podman")
    if program is None:
        raise BackendError("podman is not installed", hint="run `sudo apt-get install podman`")
    running = "/run" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR", "/nowhere")
    place = Path(f"{running}/podman/podman.sock")
    if place.exists():
        return Service("podman", f"unix://{place}")
    folder = Path(tempfile.mkdtemp(prefix="seatrial-podman-"))
    address = f"unix://{folder}/socket"
    process = subprocess.Popen(  # noqa: S603 - Podman's own command
        [program, *_options(), "system", "service", f"--time={_IDLE_TIME}", address],
        start_new_session=True,
        cwd=folder,  # conmon leaves a file called "oom" where it was started when memory ran out
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return Service("podman", address, process, folder)
