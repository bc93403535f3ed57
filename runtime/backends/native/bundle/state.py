"""``Container`` and ``States``: what is known of each container between two commands, in files.

Source: OCI runtime specification, runtime.md, "State".
"""

import json
import os
import re
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from runtime.backends.native.kernel_files import start_time
from runtime.errors import BackendError

_ID = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_+.-]{0,254}")
_STATE = "state.json"
_FIFO = "start"


class StateError(BackendError):
    """There is no such container, or it is in another state than a command needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container.

    Args:
        id: its name.
        version: the bundle's ``ociVersion``.
        bundle: the bundle's folder.
        pid: of its first process.
        started: start time of that process: with the pid it names one for good.
        groups: its control groups.
        annotations: the bundle's.
    """

    id: str
    version: str
    bundle: str
    pid: int
    started: int
    groups: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_alive(self) -> bool:
        """Tell whether its first process is there."""
        return start_time(self.pid) == self.started

    def send(self, number: int) -> None:
        """Send a signal to its first process, and to no other that has got its pid.

        Raises:
            StateError: it is not there any more.
        """
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            raise StateError(f"container {self.id} is not running") from None
        try:
            if not self.is_alive:
                raise StateError(f"container {self.id} is not running")
            signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


class States:
    """The containers below one folder.

    Args:
        root: the folder; made, for its owner only, if it is missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, name: str) -> Path:
        """Return the folder of a container, whether there is one or not.

        Raises:
            StateError: that is no name for a container.
        """
        if not _ID.fullmatch(name):
            raise StateError(f"{name[:80]!r} is no name for a container: letters, digits, '_', '+', '-', '.'")
        return self._root / name

    def reserve(self, name: str) -> Path:
        """Make the folder of a new container, with the fifo that starts it; return the fifo.

        Raises:
            StateError: there is one of this name.
        """
        folder = self.folder(name)
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            raise StateError(f"container {name} already exists") from None
        fifo = folder / _FIFO
        os.mkfifo(fifo, 0o600)
        return fifo

    def save(self, container: Container) -> None:
        """Write what is known: at once or not at all."""
        path = self.folder(container.id) / _STATE
        temporary = path.with_suffix(".new")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(asdict(container), file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    def load(self, name: str) -> Container:
        """Return a container.

        Raises:
            StateError: there is none of this name.
        """
        try:
            found = json.loads((self.folder(name) / _STATE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StateError(f"container {name} does not exist") from None
        return Container(**found)

    def status(self, container: Container) -> str:
        """Return ``created``, ``running`` or ``stopped``."""
        if not container.is_alive:
            return "stopped"
        return "created" if (self.folder(container.id) / _FIFO).exists() else "running"

    def start(self, container: Container) -> None:
        """Let the program of a created container begin.

        Raises:
            StateError: it is in another state.
        """
        status = self.status(container)
        if status != "created":
            raise StateError(f"container {container.id} cannot be started: it is {status}")
        fifo = self.folder(container.id) / _FIFO
        try:
            descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise StateError(f"container {container.id} cannot be started: it has just ended") from error
        fifo.unlink()
        os.write(descriptor, b"s")
        os.close(descriptor)

    def remove(self, name: str) -> None:
        """Forget a container; does nothing if there is none."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder(name))

    def to_json(self, container: Container) -> dict[str, Any]:
        """Return what ``state`` prints."""
        status = self.status(container)
        pid = {} if status == "stopped" else {"pid": container.pid}
        return {
            "ociVersion": container.version,
            "id": container.id,
            "status": status,
            **pid,
            "bundle": container.bundle,
            "annotations": dict(container.annotations),
        }
