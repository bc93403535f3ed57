"""The way of a freshly cloned process into a container, up to its program."""

import fcntl
import os
import signal
import socket
import stat
import struct
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from runtime.backends.native import mounts, processes
from runtime.backends.native.bundle.document import Bundle
from runtime.backends.native.bundle.process import Process
from runtime.backends.native.bundle.recipe import steps_of_first_process, steps_of_process, steps_of_tree
from runtime.backends.native.bundle.steps import BundleSandbox
from runtime.backends.native.cgroups import RunGroup
from runtime.backends.native.steps.kernel_files import DEVICES
from runtime.backends.native.steps.step import Sandbox, Step
from runtime.backends.native.wire import send_json
from runtime.data import dataclass, field
from runtime.errors import BackendError, SeatrialError

GO = b"g"
"""What the parent sends when it has given the child its ids and control groups."""

_OURS = 125
_FIRST = 3  # the first descriptor that is not stdin, stdout or stderr
_LAST = 1 << 20  # beyond any limit of open files
_TIOCGPTPEER = 0x5441  # asm-generic/ioctls.h
_TIOCSPTLCK = 0x40045431


class ProgramError(BackendError):
    """The program of a container cannot be started; worded as engines expect it, who take their exit code from it."""


@dataclass(slots=True, kw_only=True)
class Arrival:
    """One process on its way in.

    Args:
        process: the program to become.
        program: the compiled filter of system calls; empty for none.
        control: the socket to the parent.
        console: a connected socket that gets the other end of the terminal; None for none.
        gate: descriptor from which a byte must be read before the program starts; -1 to start at once.
        stays: whether it outlives its parent.
        doing: what is being done, for the message of an error.
    """

    process: Process
    program: bytes
    control: socket.socket
    console: socket.socket | None = None
    gate: int = -1
    stays: bool = True
    doing: str = field(default="wait", init=False)

    def become_first_process(self, bundle: Bundle, root: str, group: RunGroup) -> NoReturn:
        """Make the container and be its first process."""
        try:
            self._await_go()
            if bundle.owns("cgroup"):
                processes.unshare(processes.CLONE_NEWCGROUP)  # now, so that its root is the container's group
            sandbox = self._open_sources(bundle, root, group)
            self._take_root(user_namespace="user" in bundle.namespaces)
            self._execute(steps_of_tree(bundle), sandbox)
            self._take_terminal(sandbox.root)
            self._close_machine(sandbox.root)
            self._execute(steps_of_first_process(bundle, self.program), sandbox)
            self._be_program()
        except BaseException as error:  # noqa: BLE001 - whatever it is, this process must not return into its parent's code
            self._tell(error)
        os._exit(_OURS)

    def become_further_process(self, namespaces: Sequence[int], *, user_namespace: bool) -> NoReturn:
        """Enter a container that is there."""
        try:
            self._await_go()
            processes.be_opaque()  # before anything inside can see us (CVE-2016-9962)
            for each in namespaces:
                processes.enter(each, 0)
            self._take_root(user_namespace=user_namespace)
            root = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._take_terminal(root)
            os.close(root)
            self._close_machine()
            self._execute(steps_of_process(self.process, self.program), Sandbox())
            if self.stays:
                processes.outlive_parent()
            self._be_program()
        except BaseException as error:  # noqa: BLE001 - as above
            self._tell(error)
        os._exit(_OURS)

    def _await_go(self) -> None:
        if self.control.recv(len(GO)) != GO:
            os._exit(_OURS)

    def _open_sources(self, bundle: Bundle, root: str, group: RunGroup) -> BundleSandbox:
        """Open what comes from this machine, with the caller's ids: root inside may not enter every folder."""
        self.doing = "open what the bundle shows of this machine"
        devices = {}
        for name in DEVICES:
            with suppress(FileNotFoundError):
                devices[name] = os.open(f"/dev/{name}", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        wanted = {at: each.source for at, each in enumerate(bundle.mounts) if each.kind == "bind"}
        return BundleSandbox(
            tree=os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC),
            devices=devices,
            sources={at: os.open(source, os.O_PATH | os.O_CLOEXEC) for at, source in wanted.items()},
            groups={name: os.open(each.path, os.O_PATH | os.O_CLOEXEC) for name, each in group.groups.items()},
        )

    def _take_root(self, *, user_namespace: bool) -> None:
        """Be root of the container, in a session of our own, closed to others."""
        if user_namespace:
            processes.become(0, 0, ())
        processes.die_with_parent()
        processes.be_opaque()
        os.umask(0)
        os.setsid()

    def _execute(self, steps: tuple[Step, ...], sandbox: Sandbox) -> None:
        for step in steps:
            self.doing = step.describe()
            step.execute(sandbox)

    def _take_terminal(self, root: int) -> None:
        """Make a terminal in the container's own devpts, by descriptor (CVE-2025-52565), or take the pipes."""
        self.doing = "take stdin, stdout and stderr"
        user = self.process.user
        if self.console is None:
            for number in range(_FIRST):
                if stat.S_ISFIFO(os.fstat(number).st_mode):
                    with suppress(PermissionError):  # a pipe of somebody else's
                        os.fchown(number, user.uid, user.gid)
            return
        self.doing = "make a terminal"
        with mounts.opened(root, "/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY, links=False) as master:
            fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
            terminal = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
            os.fchown(terminal, user.uid, -1)
            if self.gate >= 0:  # a new container
                with mounts.file_target(root, "/dev/console") as target:
                    mounts.bind(terminal, target)
            socket.send_fds(self.console, [b"/dev/ptmx"], [master])
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        for number in range(_FIRST):
            os.dup2(terminal, number)
        os.close(terminal)

    def _close_machine(self, *kept: int) -> None:
        """Close every descriptor of this machine before any folder is entered (CVE-2024-21626)."""
        self.doing = "close descriptors"
        begin = _FIRST
        for each in sorted({self.control.fileno(), self.gate, *kept} - {-1}):
            os.closerange(begin, each)
            begin = each + 1
        os.closerange(begin, _LAST)

    def _be_program(self) -> NoReturn:
        process = self.process
        self.doing = f"start {process.argv[0]}"
        found = find_program(process.argv[0], process.environment)
        environment = process.environment
        if "HOME" not in environment:
            environment = {**environment, "HOME": "/root" if process.user.uid == 0 else "/"}
        send_json(self.control, {"ready": True})
        self.control.close()
        if self.gate >= 0:
            os.read(self.gate, 1)
            os.close(self.gate)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)  # Python ignores SIGPIPE and SIGXFSZ
        try:
            os.execve(found, process.argv, dict(environment))  # noqa: S606 - to start a program without a shell is the purpose
        except OSError as error:
            os.write(2, f"seatrial: cannot start {process.argv[0]}: {error.strerror}\n".encode(errors="replace"))
            os._exit(127 if isinstance(error, FileNotFoundError) else 126)

    def _tell(self, error: BaseException) -> None:
        text = error.message if isinstance(error, SeatrialError) else f"{type(error).__name__}: {error}"
        if not isinstance(error, SeatrialError):
            text = f"cannot {self.doing}: {text}"
        with suppress(OSError):
            send_json(self.control, {"error": text, "hint": error.hint if isinstance(error, SeatrialError) else ""})


def find_program(name: str, environment: Mapping[str, str]) -> str:
    """Return the path of a program, looked for as its user, who may not see every folder.

    Raises:
        ProgramError: there is none, or it may not be executed.
    """
    denied = False
    folders = [""] if "/" in name else environment.get("PATH", os.defpath).split(":")
    for folder in folders:
        path = name if "/" in name else f"{folder or '.'}/{name}"
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116 - nothing may be imported here
        except FileNotFoundError:
            continue
        except OSError:
            denied = True
            continue
        if stat.S_ISREG(mode) and os.access(path, os.X_OK):
            return path
        denied = True
    if denied:
        raise ProgramError(f"cannot start {name!r}: permission denied")
    where = "" if "/" in name else "executable file not found in $PATH: "
    raise ProgramError(f"cannot start {name!r}: {where}no such file or directory")
