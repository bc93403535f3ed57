"""The way of a freshly cloned process into a run: it executes the steps and becomes the program."""

import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from runtime.backends.native import processes
from runtime.backends.native.changes import marks
from runtime.backends.native.collector import write_marks
from runtime.backends.native.first_process import start_under_init
from runtime.backends.native.machine import Machine
from runtime.backends.native.order import Order
from runtime.backends.native.recipe import steps_inside, steps_outside
from runtime.backends.native.steps.kernel_files import DEVICES
from runtime.backends.native.steps.step import Sandbox, Step
from runtime.backends.native.wire import send_json
from runtime.errors import SeatrialError
from runtime.factors import FACTORS
from runtime.plan import FirstProcess, Plan, Stdin

IDS = b"i"
"""What the parent sends when it has given the child its ids."""

GROUPS = b"g"
"""What it sends when it has put the child into its control groups: on v1 that may take the kernel many milliseconds
(it waits for a grace period), in which the child prepares its tree."""

_NOT_FOUND = 127  # as shells and Docker say it
_NOT_EXECUTABLE = 126
_OURS = 125
_FIRST = 3  # the first descriptor that is not stdin, stdout or stderr
_LAST = 1 << 20  # beyond any limit of open files


@dataclass(slots=True, kw_only=True)
class Entry:
    """One process on its way in.

    Args:
        order: the run to become.
        machine: what this machine is.
        program: the compiled filter of system calls; empty for none.
        control: the socket to the warm process; closed by exec.
        stdin: descriptor that becomes 0 if the plan inherits it; -1 otherwise.
        doing: what is being done, for the message of an error.
    """

    order: Order
    machine: Machine
    program: bytes
    control: socket.socket
    stdin: int = -1
    doing: str = field(default="wait for ids", init=False)

    def become_run(self) -> NoReturn:
        """Go all the way; an error on it is told to the warm process."""
        try:
            self._go_in()
        except BaseException as error:  # noqa: BLE001 - whatever it is, this process must not return into its parent's code
            with suppress(BaseException):
                self._tell(error)
        os._exit(_OURS)

    def _go_in(self) -> None:
        self._await(IDS)
        plan = self.order.plan
        sandbox = self._open_sources()
        _take_root()
        readers = self._redirect(plan)
        self._execute(steps_outside(plan, self.machine, layers=len(self.order.layers)), sandbox)
        self._hand_over(sandbox, readers)
        self._await(GROUPS)
        processes.unshare(processes.CLONE_NEWCGROUP)  # now, so that its root is the group of the run
        self._close_machine(sandbox.root)
        self._execute(steps_inside(plan, self.machine, self.program), sandbox)
        _set_stdin(plan.stdin)
        self.doing = "start the program"
        if plan.first_process is FirstProcess.INIT:
            start_under_init(self._be_program, self.control)
        self._be_program()

    def _await(self, word: bytes) -> None:
        """Wait for the parent; if it is gone, so are we."""
        if self.control.recv(len(word)) != word:
            os._exit(_OURS)

    def _open_sources(self) -> Sandbox:
        """Open what comes from this machine, with the caller's ids: root inside may not enter every folder."""
        self.doing = "open the layers"
        folder = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        devices = {}
        for name in DEVICES:
            with suppress(FileNotFoundError):
                devices[name] = os.open(f"/dev/{name}", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        return Sandbox(
            layers=tuple(os.open(each, folder) for each in self.order.layers),
            tree=os.open(self.order.tree, folder) if self.order.tree else -1,
            devices=devices,
        )

    def _redirect(self, plan: Plan) -> tuple[int, int]:
        """Make the pipes of stdout and stderr, owned by the program's user, who may open them again as /dev/stdout."""
        self.doing = "make the pipes"
        readers = []
        for number in (1, 2):
            reader, writer = os.pipe()
            os.fchown(writer, plan.user.uid, plan.user.gid)
            os.dup2(writer, number)
            os.close(writer)
            readers.append(reader)
        if self.stdin >= 0:
            os.dup2(self.stdin, 0)
        return readers[0], readers[1]

    def _execute(self, steps: tuple[Step, ...], sandbox: Sandbox) -> None:
        for step in steps:
            self.doing = step.describe()
            step.execute(sandbox)

    def _hand_over(self, sandbox: Sandbox, readers: tuple[int, int]) -> None:
        """Give the warm process what outlives us: the pipes, the namespaces, and the folders to read afterwards."""
        self.doing = "hand over"
        before = write_marks(marks(sandbox.upper) if sandbox.upper >= 0 else {})
        spaces = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in ("user", "mnt")]
        upper = [sandbox.upper] if sandbox.upper >= 0 else []
        send_json(self.control, {"handed": len(upper)}, [*readers, *spaces, before, *upper, *sandbox.layers])

    def _close_machine(self, root: int) -> None:
        """Close every descriptor of this machine but the root, before any folder is entered (CVE-2024-21626).

        The root stays until the next step has left this machine by it.
        """
        self.doing = "close descriptors"
        kept = sorted({self.control.fileno(), root})
        begin = _FIRST
        for each in kept:
            os.closerange(begin, each)
            begin = each + 1
        os.closerange(begin, _LAST)

    def _be_program(self) -> NoReturn:
        plan = self.order.plan
        _set_signals(frozenset(plan.ignored_signals))
        if self.order.evidence:
            self._gather_evidence(plan)
        send_json(self.control, {"ready": time.monotonic_ns(), "pid": os.getpid()})
        error = _try_to_execute(plan.argv, plan.environment)
        os.write(2, f"seatrial: cannot start {plan.argv[0]}: {error.strerror}\n".encode(errors="replace"))
        os._exit(_NOT_FOUND if isinstance(error, FileNotFoundError | NotADirectoryError) else _NOT_EXECUTABLE)

    def _gather_evidence(self, plan: Plan) -> None:
        """Let a twin, which is all that the program will be, ask the factors' probes."""
        twin = os.fork()
        if twin:
            os.waitpid(twin, 0)
            return
        try:
            os.environ.clear()
            os.environ.update(plan.environment)
            found = {each.name: _probe(each.probe, plan) for each in FACTORS if not each.accounted}
            send_json(self.control, {"evidence": found})
        finally:
            os._exit(0)

    def _tell(self, error: BaseException) -> None:
        hint = error.hint if isinstance(error, SeatrialError) else ""
        text = error.message if isinstance(error, SeatrialError) else f"{type(error).__name__}: {error}"
        send_json(self.control, {"error": f"cannot {self.doing}: {text}", "hint": hint})


def _take_root() -> None:
    """Be user 0 of the user namespace, in a session of our own, closed to others."""
    processes.become(0, 0, ())
    processes.die_with_parent()
    processes.be_opaque()
    os.umask(0)
    os.setsid()


def _set_signals(ignored: frozenset[int]) -> None:
    """Undo what Python (SIGPIPE, SIGXFSZ, SIGINT) and whoever started us have set, and ignore what the plan says."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)


def _probe(ask: Callable[[Plan], str], plan: Plan) -> str:
    try:
        return ask(plan)
    except Exception as error:  # noqa: BLE001 - a probe that fails is evidence that the level did not hold
        return f"{type(error).__name__}: {error}"


def _set_stdin(stdin: Stdin) -> None:
    match stdin:
        case Stdin.NULL:
            null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
            os.dup2(null, 0)
            if null:
                os.close(null)
        case Stdin.CLOSED:
            os.close(0)
        case Stdin.INHERITED:
            pass


def _try_to_execute(argv: tuple[str, ...], environment: Mapping[str, str]) -> OSError:
    """Replace this process, or return why not: the last error along PATH that is not "not there"."""
    program = argv[0]
    folders = [""] if "/" in program else environment.get("PATH", os.defpath).split(":")
    found: OSError = FileNotFoundError(2, "No such file or directory")  # ENOENT
    for folder in folders:
        path = f"{folder or '.'}/{program}" if "/" not in program else program
        try:
            os.execve(path, argv, dict(environment))  # noqa: S606 - to start a program without a shell is the purpose
        except OSError as error:
            if not isinstance(error, FileNotFoundError | NotADirectoryError):
                found = error
    return found
