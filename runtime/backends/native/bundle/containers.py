"""Create a container from a bundle, and start further programs in it."""

import os
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from runtime.backends.native import processes
from runtime.backends.native.bundle.arrival import GO, Arrival
from runtime.backends.native.bundle.calls import compile_bundle_filter
from runtime.backends.native.bundle.document import Bundle, read_bundle
from runtime.backends.native.bundle.groups import from_state, make_groups, to_state
from runtime.backends.native.bundle.process import Process
from runtime.backends.native.bundle.refusals import BundleRefusedError, Refused
from runtime.backends.native.bundle.state import Container, StateError, States
from runtime.backends.native.cgroups import RunGroup
from runtime.backends.native.idmap import IdMap, write_id_map
from runtime.backends.native.kernel_files import start_time
from runtime.backends.native.syscalls import MACHINE
from runtime.backends.native.wire import receive_json
from runtime.errors import BackendError
from runtime.oci.document import DIGITS_OF_64_BITS, DOCUMENT_LIMIT, parse_document

_KINDS = {
    "user": processes.CLONE_NEWUSER,
    "mount": processes.CLONE_NEWNS,
    "pid": processes.CLONE_NEWPID,
    "network": processes.CLONE_NEWNET,
    "ipc": processes.CLONE_NEWIPC,
    "uts": processes.CLONE_NEWUTS,
}  # a cgroup namespace is entered later, when the process is in its groups


def load_bundle(folder: Path) -> Bundle:
    """Return what a bundle's folder asks for.

    Raises:
        BundleRefusedError: it asks for something that is refused, or has no config.json.
        RefusedError: its config.json is not what the specification says.
    """
    try:
        with (folder / "config.json").open("rb") as file:
            raw = file.read(DOCUMENT_LIMIT + 1)
    except OSError as error:
        raise BundleRefusedError(Refused.PROCESS, f"{folder} has no config.json to read: {error.strerror}") from error
    return read_bundle(parse_document(raw, "config.json", digits=DIGITS_OF_64_BITS))


def create(states: States, name: str, folder: Path, console: Path | None) -> Container:
    """Make a container whose first process waits to be started.

    Args:
        states: where it is remembered.
        name: how it is called.
        folder: the bundle.
        console: a Unix socket that gets the other end of its terminal.

    Raises:
        BackendError: it could not be made; nothing is left behind.
    """
    folder = folder.resolve()
    bundle = load_bundle(folder)
    root = folder / bundle.root
    if not root.is_dir():
        raise BundleRefusedError(Refused.ROOT_PATH, f"{root} is no folder")
    program = compile_bundle_filter(bundle.seccomp, MACHINE) if bundle.seccomp else b""
    fifo = states.reserve(name)
    with ExitStack() as undo:
        undo.callback(states.remove, name)
        group = make_groups(bundle.group or f"seatrial-oci-{name}", bundle.resources)
        undo.callback(group.remove)
        pid = _clone_first_process(bundle, root, program, group, _Ends(fifo, console, terminal=bundle.process.terminal))
        container = Container(
            id=name,
            version=bundle.version,
            bundle=str(folder),
            pid=pid,
            started=start_time(pid),
            groups=to_state(group),
            annotations=dict(bundle.annotations),
        )
        states.save(container)
        undo.pop_all()
    return container


def execute(container: Container, process: Process, console: Path | None, *, stays: bool) -> int:
    """Start one more program in a container; return its pid.

    Args:
        container: it must be there.
        process: the program.
        console: a Unix socket that gets the other end of its terminal.
        stays: whether it outlives this process.

    Raises:
        BackendError: it could not be started.
    """
    bundle = load_bundle(Path(container.bundle))
    program = compile_bundle_filter(bundle.seccomp, MACHINE) if bundle.seccomp else b""
    with ExitStack() as opened:
        spaces = {}
        for kind in ("user", "ipc", "uts", "net", "cgroup", "pid", "mnt"):
            spaces[kind] = os.open(f"/proc/{container.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
            opened.callback(os.close, spaces[kind])
        if not container.is_alive:  # asked after opening: these are no other process's
            raise StateError(f"container {container.id} is not running")
        own = os.stat("/proc/self/ns/user").st_ino  # noqa: PTH116
        user_namespace = os.fstat(spaces["user"]).st_ino != own
        processes.enter(spaces.pop("pid"), processes.CLONE_NEWPID)
        entered = [descriptor for kind, descriptor in spaces.items() if kind != "user" or user_namespace]
        with _Ends(None, console, terminal=process.terminal) as ends:
            here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            pid = processes.clone(0)
            if pid == 0:
                here.close()
                arrival = Arrival(process=process, program=program, control=there, console=ends.console, stays=stays)
                arrival.become_further_process(entered, user_namespace=user_namespace)
            there.close()
            _follow(here, pid, from_state(container.groups), None)
    return pid


class _Ends:
    """What a new process waits at and talks through: the fifo that starts it, and the socket for its terminal."""

    def __init__(self, fifo: Path | None, console: Path | None, *, terminal: bool) -> None:
        if terminal != (console is not None):
            said = "without a --console-socket" if terminal else "is off, and there is a --console-socket"
            raise BundleRefusedError(Refused.TERMINAL, f"process.terminal {said}")
        self._fifo, self._path = fifo, console
        self.gate = -1
        self.console: socket.socket | None = None

    def __enter__(self) -> Self:
        if self._fifo:
            self.gate = os.open(
                self._fifo, os.O_RDWR | os.O_CLOEXEC
            )  # for writing too: it then waits, and meets no end
        if self._path:
            self.console = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.console.connect(str(self._path))
        return self

    def __exit__(self, *_: object) -> None:
        if self.gate >= 0:
            os.close(self.gate)
        if self.console:
            self.console.close()


def _clone_first_process(bundle: Bundle, root: Path, program: bytes, group: RunGroup, waiting: _Ends) -> int:
    with waiting as ends:
        flags = 0
        for kind, path in bundle.namespaces.items():
            if path:
                _join(kind, path)
            else:
                flags |= _KINDS.get(kind, 0)
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = processes.clone(flags)
        if pid == 0:
            here.close()
            process = bundle.process
            arrival = Arrival(process=process, program=program, control=there, console=ends.console, gate=ends.gate)
            arrival.become_first_process(bundle, str(root), group)
        there.close()
        id_map = IdMap(users=bundle.users, groups=bundle.groups, helper=False) if bundle.users else None
        _follow(here, pid, group, id_map)
    return pid


def _join(kind: str, path: str) -> None:
    """Enter a namespace of another container; the process that is cloned then is born in it."""
    flag = _KINDS.get(kind, processes.CLONE_NEWCGROUP)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            processes.enter(descriptor, flag)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise BackendError(f"cannot join the {kind} namespace {path}: {error.strerror}") from error


def _follow(control: socket.socket, pid: int, group: RunGroup, id_map: IdMap | None) -> None:
    """Give a new process its ids and groups, and wait until it is ready; if it is not, it ends."""
    ready = False
    try:
        if id_map:
            write_id_map(pid, id_map)
        group.add(pid)
        control.send(GO)
        answer = receive_json(control)[0] or {"error": "the process ended on its way in"}
        if "error" in answer:
            raise BackendError(str(answer["error"]), hint=str(answer.get("hint", "")))
        ready = True
    finally:
        control.close()
        if not ready:
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
            os.waitpid(pid, 0)
