"""``terminal``, ``stdin``, ``pid1``, ``signals``: the process that a program finds itself to be."""

from runtime.data import replace
from runtime.factors.carriers import EVERY, OWN
from runtime.factors.factor import Factor
from runtime.factors.questions import Answers
from runtime.plan import FirstProcess, Plan, Stdin

_SIGINT = 2  # SIGINT, bits/signum-generic.h
_ROWS = 24
_MOST_COLUMNS = 65535  # what struct winsize holds
_WINDOW = "window 1"


class TerminalFactor(Factor):
    """Whether the program talks to a terminal."""

    name = "terminal"
    default = "no"
    control = "no"
    levels = {
        "no": "stdout and stderr are pipes",
        "yes": "stdin, stdout and stderr are terminals of 24 rows, as wide as COLUMNS says, else 80; nobody types",
    }
    names = "isatty tcgetattr tcsetattr ctermid ttyname openpty setupterm get_terminal_size curses termios"
    signs = "asks terminal; asks terminal-size; opens /dev/tty; errno ENOTTY; errno ENXIO; enters getpass.getpass"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set it."""
        if level not in self.levels:
            raise self.unknown(level)
        return replace(plan, terminal=level == "yes")

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """What stdout and stderr are, and how large."""
        return "descriptor 1", "descriptor 2", _WINDOW

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say whether one is a terminal, or both, and the size of stdout's."""
        kinds = [answers.text(each) for each in ("descriptor 1", "descriptor 2")]
        if "terminal" not in kinds:
            return "no"
        return " and ".join(kinds) if kinds[0] != kinds[1] else f"yes {answers.text(_WINDOW)}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:
        """Both are, of that size, or neither is."""
        columns, rows = window_of(plan)
        return found == ("no" if level == self.default else f"yes {columns}x{rows}")

    def carriers(self, level: str) -> frozenset[str]:
        """Another runtime makes one terminal of both streams, and they could not be told apart."""
        return EVERY if level == self.default else OWN


def window_of(plan: Plan) -> tuple[int, int]:
    """Return columns and rows of a plan's terminals."""
    named = plan.environment.get("COLUMNS", "")
    columns = int(named) if named.isascii() and named.isdigit() else 0
    return columns if 0 < columns <= _MOST_COLUMNS else 80, _ROWS


class StdinFactor(Factor):
    """What is on descriptor 0."""

    name = "stdin"
    default = "null"
    control = "null"
    levels = {
        "null": "/dev/null; a terminal at which nobody types where stdout is one",
        "closed": "descriptor 0 is not open",
    }
    names = "stdin input fileinput"
    signs = "reads stdin; opens /dev/stdin; errno EBADF; raises EOFError; enters getpass.getpass"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set it."""
        if level not in self.levels:
            raise self.unknown(level)
        return replace(plan, stdin=Stdin(level))

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """What descriptor 0 is."""
        return ("descriptor 0",)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say it."""
        return answers.text("descriptor 0") or "closed"

    def holds(self, level: str, found: str, plan: Plan) -> bool:
        """It is as asked; an interactive run has its caller's."""
        wanted = "terminal" if plan.terminal and level == self.default else level
        return plan.stdin == Stdin.INHERITED or found == wanted


class Pid1Factor(Factor):
    """Whether the program is process 1, which gets no default signal handlers and must reap orphans."""

    name = "pid1"
    default = "init"
    control = "init"
    accounted = True
    levels = {"init": "a small init is process 1, reaps, and forwards signals", "app": "the program itself"}
    names = (
        "getpid getppid waitpid wait4 waitid setsid fork daemon terminate send_signal killpg SIGTERM SIGCHLD "
        "pause sigwait"
    )
    signs = "signal 15; signal 17; kills 15; kills 0; prctl 36; ends signal 15; opens /proc/1*; looks /proc/1*"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set it."""
        if level not in self.levels:
            raise self.unknown(level)
        return replace(plan, first_process=FirstProcess(level))

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Nothing: a process that has not started yet cannot tell; the backend saw which process it started."""
        return ""

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is as asked."""
        return found == level


class SignalsFactor(Factor):
    """Which signals the program's parent left ignored."""

    name = "signals"
    default = "default"
    control = "default"
    levels = {"default": "none is ignored", "sigint-ignored": "SIGINT is ignored, as in a background job of a script"}
    names = (
        "SIGINT SIGPIPE SIGHUP getsignal signal default_int_handler raise_signal send_signal KeyboardInterrupt "
        "sigaction pthread_sigmask"
    )
    signs = "signal 1; signal 2; signal 13; kills 1; kills 2; kills 13"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set it."""
        if level not in self.levels:
            raise self.unknown(level)
        return replace(plan, ignored_signals=(_SIGINT,) if level == "sigint-ignored" else ())

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """Which are, by a call and not from a file: gVisor shows it in none."""
        return ("ignored",)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say the mask of ignored signals."""
        return f"{sum(1 << (int(each) - 1) for each in answers.text('ignored').split(',') if each):x}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """The mask has exactly the plan's signals."""
        return int(found, 16) == sum(1 << (number - 1) for number in plan.ignored_signals)
