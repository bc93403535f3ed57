"""The way of a freshly cloned process into a run: it executes the steps and becomes the program."""

import os
import pickle
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum, auto
from typing import NoReturn

from runtime.backends.native import processes
from runtime.backends.native.attempts import open_watch
from runtime.backends.native.cgroups import enter
from runtime.backends.native.changes import marks
from runtime.backends.native.collector import write_marks
from runtime.backends.native.compiled_init import become_compiled_init, task_of
from runtime.backends.native.effective import read_inside
from runtime.backends.native.first_process import start_under_init
from runtime.backends.native.keeper import be_kept, start_keeper
from runtime.backends.native.machine import Machine
from runtime.backends.native.observer import Judge, answer_until_end
from runtime.backends.native.order import Order
from runtime.backends.native.program import places, refuse_magic_links, try_to_execute
from runtime.backends.native.recipe import steps_ahead, steps_inside, steps_outside
from runtime.backends.native.stacks import Stack
from runtime.backends.native.steps.kernel_files import DEVICES
from runtime.backends.native.steps.step import Sandbox, Step
from runtime.backends.native.steps.tree import TREE
from runtime.backends.native.terminals import take_terminals
from runtime.backends.native.wire import receive_json, send_json
from runtime.data import dataclass, field
from runtime.errors import SeatrialError
from runtime.factors import FACTORS
from runtime.factors.factor import Factor
from runtime.factors.questions import Answers, answer
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


GO = b"o"
"""What it sends to a process that has gone all the way ahead of its order, when that has come."""

LIMITED = b"l"
"""What it sends when the processes that were named to it are in the control groups."""


class Ahead(Enum):
    """How far a process goes before its order comes."""

    NOTHING = auto()
    """It is made for an order that is there."""
    BEGINNING = auto()
    """It does what nearly every plan has alike, and then takes an order."""
    ALL = auto()
    """It does all that its plan says and waits where the program would start: for the same order once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """A filter that hands calls on, and the numbers of these calls; see ``runtime.backends.native.keeper``."""

    program: bytes
    numbers: Mapping[str, int]


@dataclass(slots=True, kw_only=True)
class Entry:
    """One process on its way in.

    Args:
        order: the run to become.
        machine: what this machine is.
        program: the compiled filter of system calls; empty for none.
        heard: the same with a listener; empty for none.
        control: the socket to the warm process; closed by exec.
        stdin: descriptor that becomes 0 if the plan inherits it; -1 otherwise.
        one_id: whether the kernel has one id only.
        notices: the calls that a keeper of owners answers; None for none.
        stack: the tree, where the machine's root has stacked it; None elsewhere.
        init: descriptor of the compiled process 1; -1 for none.
        ahead: whether ``order`` is only what an order is expected to be like, and the order itself comes later.
        doors: by which a spare puts itself into its control groups: the warm process has others to serve meanwhile.
        doing: what is being done, for the message of an error.
    """

    order: Order
    machine: Machine
    program: bytes = b""
    heard: bytes = b""
    control: socket.socket
    stdin: int = -1
    one_id: bool = False
    notices: Notices | None = None
    stack: Stack | None = None
    init: int = -1
    ahead: Ahead = Ahead.NOTHING
    doors: tuple[int, ...] = ()
    doing: str = field(default="wait for ids", init=False)
    _keeper: socket.socket | None = field(default=None, init=False)
    _clock: int = field(default=0, init=False)

    def become_run(self) -> NoReturn:
        """Go all the way; an error on it is told to the warm process."""
        # The warm process holds pipes and namespaces of other runs: they would live as long as this one.
        _close_all_but(self._brought())
        try:
            self._go_in()
        except BaseException as error:  # noqa: BLE001 - whatever it is, this process must not return into its parent's code
            with suppress(BaseException):
                self._tell(error)
        os._exit(_OURS)

    def _brought(self) -> set[int]:
        """Return the descriptors that this process was made with."""
        layers = self.stack.layers if self.stack else ()
        return {self.control.fileno(), self.stdin, self.init, *self.doors, *layers}

    def _go_in(self) -> None:
        self._await(IDS)
        sandbox = self._open_sources()
        if self.ahead is not Ahead.NOTHING:
            self.doing = "enter the control groups"
            enter(self.doors)
            _hide_groups_above()
        become_root_inside()
        layers, is_kept = len(self.order.layers), self.order.is_kept
        beginning = steps_ahead(self.order.plan, layers=layers, is_kept=is_kept, one_id=self.one_id)
        self._execute(beginning, sandbox)
        if self.ahead is Ahead.BEGINNING:
            self._take_order()
        plan = self.order.plan
        readers = self._show(plan, sandbox) if plan.terminal else self._redirect(plan)
        paths = [path for _, path in self.order.volumes]
        outside = steps_outside(plan, self.machine, layers=layers, is_kept=is_kept, one_id=self.one_id, volumes=paths)
        self._execute(outside[len(beginning) :], sandbox)
        self._hand_over(sandbox, readers)
        if self.order.evidence:
            self._hand_over_watch()
        if plan.services or self.order.is_lasting:
            self._let_join()
        if self.ahead is Ahead.NOTHING:
            self._await(GROUPS)  # with services: when all of them are ready
            _hide_groups_above()
        self._close_machine(sandbox.root)
        self._execute(steps_inside(plan, self.machine, self.program, heard=self.heard, one_id=self.one_id), sandbox)
        self._clock = sandbox.clock
        if plan.is_traced:  # from here on this process waits for the tracer's answers, too
            self._hand_over_listener(sandbox)
        set_stdin(Stdin.INHERITED if plan.terminal and plan.stdin is Stdin.NULL else plan.stdin)
        if self.notices:
            self.doing = "start the keeper of owners"
            self._keeper = start_keeper(self.notices.numbers)
        if self.order.evidence and not plan.is_traced:  # what its probes touch would be told as the program's
            self.doing = "gather evidence"
            self._gather_evidence(plan, sandbox.listener)
        self._hand_over_listener(sandbox)
        self.doing = "start the program"
        if plan.first_process is FirstProcess.INIT:
            self._become_init(plan)
            start_under_init(self._be_program, self.control, grace=plan.grace)
        self._be_program()

    def _hand_over_listener(self, sandbox: Sandbox) -> None:
        """Let the warm process answer the calls that are handed on, if any are."""
        if sandbox.listener >= 0:
            send_json(self.control, {"listener": True}, [sandbox.listener])
            os.close(sandbox.listener)
            sandbox.listener = -1

    def _take_order(self) -> None:
        """Wait for the order that this spare was made for."""
        self.doing = "wait for an order"
        message, descriptors = receive_json(self.control)
        if message is None:
            os._exit(_OURS)
        written, *inherited = descriptors
        with os.fdopen(written, "rb") as file:
            file.seek(0)
            self.order, self.program, self.heard = pickle.load(file)  # noqa: S301 - from the warm process
        self.stdin = inherited[0] if inherited else -1

    def _become_init(self, plan: Plan) -> None:
        """Become the compiled process 1, which starts the program; return where that cannot be."""
        if self.init < 0 or self.notices or self._clock:  # it knows no clock but its own
            return
        paths = places(plan.argv[0], plan.environment)
        try:
            for each in paths:
                refuse_magic_links(each)
        except OSError:
            return  # the program is refused in the same words, whatever process 1 is
        waits = self.ahead is Ahead.ALL
        task = task_of(paths, plan.argv, plan.environment, plan.ignored_signals, waits=waits, grace=plan.grace)
        become_compiled_init(self.init, self.control.fileno(), task)

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
        volumes = tuple(os.open(each, folder) for each, _ in self.order.volumes)
        if self.stack:
            return Sandbox(
                layers=self.stack.layers,
                devices=devices,
                stacked=os.open(f"{self.stack.place}/{TREE}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC),
                upper=os.open(f"{self.stack.place}/upper", folder),
                volumes=volumes,
            )
        return Sandbox(
            layers=tuple(os.open(each, folder) for each in self.order.layers),
            tree=os.open(self.order.tree, folder) if self.order.tree else -1,
            work=os.open(self.order.work, folder) if self.order.work else -1,
            devices=devices,
            volumes=volumes,
        )

    def _redirect(self, plan: Plan) -> tuple[int, int]:
        """Make the pipes of stdout and stderr, owned by the program's user, who may open them again as /dev/stdout."""
        self.doing = "make the pipes"
        readers = []
        for number in (1, 2):
            reader, writer = os.pipe()
            if not self.one_id:
                os.fchown(writer, plan.user.uid, plan.user.gid)
            os.dup2(writer, number)
            os.close(writer)
            readers.append(reader)
        if self.stdin >= 0:
            os.dup2(self.stdin, 0)
        return readers[0], readers[1]

    def _show(self, plan: Plan, sandbox: Sandbox) -> tuple[int, int]:
        """Make the terminals of stdout and stderr, owned by the program's user, and of stdin if nobody brings one."""
        self.doing = "make the terminals"
        if self.stdin >= 0:
            os.dup2(self.stdin, 0)
        return take_terminals(sandbox.root, plan, has_stdin=self.stdin >= 0, gives=not self.one_id)

    def _execute(self, steps: tuple[Step, ...], sandbox: Sandbox) -> None:
        for step in steps:
            self.doing = step.describe()
            step.execute(sandbox)

    def _hand_over(self, sandbox: Sandbox, readers: tuple[int, int], *, keep_root: bool = False) -> None:
        """Give the warm process what outlives us: the pipes, the namespaces, and the folders to read afterwards."""
        self.doing = "hand over"
        before = write_marks(marks(sandbox.upper) if sandbox.upper >= 0 else {})
        spaces = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in ("user", "mnt")]
        upper = [sandbox.upper] if sandbox.upper >= 0 else []
        roots = [sandbox.root] if keep_root else []
        handed = {"handed": len(upper), "roots": len(roots)}
        send_json(self.control, handed, [*readers, *spaces, before, *upper, *roots, *sandbox.layers])

    def _hand_over_watch(self) -> None:
        """Give the warm process what tells of attempts to reach beyond this run; read when it has ended."""
        self.doing = "watch the network"
        try:
            watch = open_watch()
        except OSError:
            return  # it cannot be told here, and the run is none the worse
        send_json(self.control, {"watch": True}, watch)

    def _let_join(self) -> None:
        """Give the warm process the namespaces that others share with us."""
        shared = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in ("user", "net")]
        send_json(self.control, {"shared": True}, shared)

    def _close_machine(self, root: int) -> None:
        """Close every descriptor of this machine but the root, before any folder is entered (CVE-2024-21626).

        The root stays until the next step has left this machine by it; the compiled process 1, until it is executed.
        """
        self.doing = "close descriptors"
        sys.meta_path.clear()  # nothing is imported from here on: it could be a file of the image
        _close_all_but({self.control.fileno(), root, self.init})

    def _be_program(self) -> NoReturn:
        plan = self.order.plan
        _set_signals(frozenset(plan.ignored_signals))
        if self.notices and self._keeper:
            be_kept(self.notices.program, self._keeper)
        if self.ahead is Ahead.ALL:
            self._await(GO)
        send_json(self.control, {"ready": time.monotonic_ns() - self._clock, "pid": os.getpid()})
        error = try_to_execute(plan.argv, plan.environment)
        os.write(2, f"seatrial: cannot start {plan.argv[0]}: {error.strerror}\n".encode(errors="replace"))
        os._exit(_NOT_FOUND if isinstance(error, FileNotFoundError | NotADirectoryError) else _NOT_EXECUTABLE)

    def _gather_evidence(self, plan: Plan, listener: int) -> None:
        """Let a twin, which is all that the program will be, ask the factors' probes.

        The calls that its filter denies are answered here: nobody else listens yet, and they are not the program's.
        """
        twin = os.fork()
        if twin:
            if listener >= 0:
                _answer_twin(twin, listener, self.program)
            os.waitpid(twin, 0)
            return
        try:
            _set_signals(frozenset(plan.ignored_signals))
            os.environ.clear()
            os.environ.update(plan.environment)
            asked = {question for each in FACTORS for question in each.questions(plan)}
            answers = Answers({question: answer(question) for question in asked})
            send_json(self.control, {"evidence": probe_all(plan, answers)})
            send_json(self.control, {"sandbox": read_inside(self.program)})
        finally:
            os._exit(0)

    def _tell(self, error: BaseException) -> None:
        hint = error.hint if isinstance(error, SeatrialError) else ""
        text = error.message if isinstance(error, SeatrialError) else f"{type(error).__name__}: {error}"
        send_json(self.control, {"error": f"cannot {self.doing}: {text}", "hint": hint})


def probe_all(plan: Plan, answers: Answers) -> dict[str, str]:
    """Return what each factor's probe finds; one that fails is evidence that its level did not hold."""
    return {each.name: _probe(each, plan, answers) for each in FACTORS if not each.accounted}


def become_root_inside() -> None:
    """Be user 0 of the user namespace, in a session of our own, closed to others."""
    processes.become(0, 0, ())
    processes.die_with_parent()
    processes.be_opaque()
    os.umask(0)
    os.setsid()


def _hide_groups_above() -> None:
    """Take a namespace of control groups whose root is the group of the run: this process is in it by now."""
    processes.unshare(processes.CLONE_NEWCGROUP)


def _answer_twin(twin: int, listener: int, program: bytes) -> None:
    pidfd = os.pidfd_open(twin)
    try:
        answer_until_end(listener, Judge(program), pidfd)
    finally:
        os.close(pidfd)


def _close_all_but(kept: set[int]) -> None:
    """Close every descriptor but these and the three that each process has."""
    begin = _FIRST
    for each in sorted(each for each in kept if each >= _FIRST):
        os.closerange(begin, each)
        begin = each + 1
    os.closerange(begin, _LAST)


def _set_signals(ignored: frozenset[int]) -> None:
    """Undo what Python (SIGPIPE, SIGXFSZ, SIGINT) and whoever started us have set, and ignore what the plan says."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)


def _probe(factor: Factor, plan: Plan, answers: Answers) -> str:
    try:
        return factor.probe(plan, answers)
    except Exception as error:  # noqa: BLE001 - a probe that fails is evidence that the level did not hold
        return f"{type(error).__name__}: {error}"


def set_stdin(stdin: Stdin) -> None:
    """Set what the program finds on descriptor 0."""
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
