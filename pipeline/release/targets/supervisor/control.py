"""The way to a supervisor: lines of JSON over a socket in its folder, which is closed to other users."""

import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline.declare.errors import TargetError
from runtime.backends.native.launch import HOME

SOCKET, LOCK, TASK, NEXT, LOG, NUMBER = "control", "lock", "task.json", "next.json", "log", "number"
"""The files in the folder of a supervisor."""

_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from pipeline.release.targets.supervisor.service import main; main(sys.argv[2], sys.argv[3])"
)
_COMING_UP = 60.0  # seconds
_LOOKING = 0.02
_KEPT = ("HOME", "LANG", "PATH", "XDG_RUNTIME_DIR")  # the rest of who deploys is no business of what lasts


class Conversation:
    """An open connection to a supervisor; what it began and did not end is undone when it closes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")

    def ask(self, **request: object) -> Mapping[str, Any]:
        """Ask for something, and return the answer.

        Raises:
            TargetError: it is refused, or the supervisor is gone.
        """
        try:
            self._connection.sendall(json.dumps(request).encode() + b"\n")
            line = self._lines.readline()
        except OSError as error:
            raise TargetError(f"the supervisor does not answer: {error.strerror}") from error
        if not line:
            raise TargetError("the supervisor ended before it answered", hint="see the end of its log")
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise TargetError("the supervisor ended while it answered", hint="see the end of its log") from error
        if "error" in answer:
            raise TargetError(str(answer["error"]), hint=str(answer.get("hint", "")))
        return answer

    def close(self) -> None:
        """End it."""
        self._lines.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def connect(folder: Path) -> Conversation | None:
    """Return a conversation with the supervisor of a folder; None if there is none."""
    if not folder.is_dir():
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        with short_name(folder) as name:
            connection.connect(f"{name}/{SOCKET}")
    except OSError:
        connection.close()
        return None
    conversation = Conversation(connection)
    try:
        conversation.ask(do="hello")  # one that is about to end takes connections, and answers none
    except TargetError:
        conversation.close()
        return None
    return conversation


def connect_or_start(folder: Path, store: Path) -> Conversation:
    """Return a conversation with the supervisor of a folder, which is started if there is none.

    Raises:
        TargetError: it does not come up.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = connect(folder)
    if found:
        return found
    started = _start(folder, store)
    due = time.monotonic() + _COMING_UP
    while time.monotonic() < due:
        found = connect(folder)
        if found:
            return found
        if started.poll() is not None and not is_alive(folder):
            break
        time.sleep(_LOOKING)
    raise TargetError(f"the supervisor does not come up: {_last_words(folder)}", hint=f"see {folder}/errors")


def is_alive(folder: Path) -> bool:
    """Tell whether a supervisor holds the lock of a folder: the kernel gives it back, however one ends."""
    try:
        with (folder / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def wait_for_end(folder: Path) -> None:
    """Wait until no supervisor has a folder any more.

    Raises:
        TargetError: one does not end.
    """
    due = time.monotonic() + _COMING_UP
    while is_alive(folder):
        if time.monotonic() >= due:
            raise TargetError(f"the supervisor of {folder} does not end", hint=f"see {folder / LOG}")
        time.sleep(_LOOKING)


@contextmanager
def short_name(folder: Path) -> Iterator[str]:
    """Yield a name of a folder that is short enough for the address of a socket, 107 bytes. Source: unix(7)."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _start(folder: Path, store: Path) -> "subprocess.Popen[bytes]":
    """Start a supervisor that belongs to no terminal and to no session of ours."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(each for each in sys.path if each.startswith("/"))
    with (folder / "errors").open("ab") as errors:
        started = subprocess.Popen(  # noqa: S603 - this very program; it outlives this process
            [sys.executable, "-P", "-c", _START, HOME, str(folder.resolve()), str(store.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            cwd=os.sep,
            env=environment,
            start_new_session=True,
        )
    threading.Thread(target=started.wait, daemon=True).start()  # if it ends before this process does, it leaves nothing
    return started


def _last_words(folder: Path) -> str:
    with suppress(OSError):
        lines = (folder / "errors").read_text(errors="replace").splitlines()
        if lines:
            return lines[-1]
    return "it said nothing"
