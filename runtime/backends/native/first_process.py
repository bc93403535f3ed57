"""Process 1 of a run where it is not the program itself: it reaps orphans and hands signals on, nothing else."""

import ctypes
import json
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from runtime.backends.native import processes
from runtime.backends.native.leftovers import end_leftovers

NAME = "init"

_FORWARDED = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
    signal.SIGCONT,
    signal.SIGWINCH,
)

_WATCHED = frozenset({signal.SIGCHLD, *_FORWARDED})
_PAUSE = 0.002  # seconds


def start_under_init(program: Callable[[], NoReturn], control: socket.socket, *, grace: int = 0) -> NoReturn:
    """Start ``program`` as a child and be its process 1 until it ends; its wait status is then sent to ``control``.

    Everything else in the PID namespace ends then, and is told of: asked by SIGTERM if there is a grace, and killed.
    """
    processes.set_name(NAME)
    hide_command_line(NAME)
    pid = start_watched(program)  # not before: the program may look at process 1 with its first call
    status = attend(pid)
    with suppress(OSError):  # the warm process is gone, and so are we in a moment
        control.send(json.dumps({"status": status}).encode())
        end_leftovers(grace, lambda ending: control.send(json.dumps(ending).encode()))
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def start_watched(program: Callable[[], NoReturn]) -> int:
    """Start ``program`` as a child that ``attend`` can wait for, and return its pid."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    pid = os.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        program()
    return pid


def attend(pid: int, meanwhile: Callable[[], bool] | None = None, hand_on: Callable[[int], None] | None = None) -> int:
    """Reap orphans and hand signals on to a child until it ends; return its wait status.

    Args:
        pid: of a child that ``start_watched`` has started.
        meanwhile: called every few milliseconds until it returns True.
        hand_on: takes a signal in place of the child.
    """
    while True:
        received = signal.sigtimedwait(_WATCHED, _PAUSE) if meanwhile else signal.sigwaitinfo(_WATCHED)
        if meanwhile and meanwhile():
            meanwhile = None
        if received and received.si_signo != signal.SIGCHLD:
            with suppress(ProcessLookupError):
                hand_on(received.si_signo) if hand_on else os.kill(pid, received.si_signo)
        status = _reap(pid)
        if status is not None:
            return status


def hide_command_line(shown: str) -> None:
    """Overwrite the arguments that ``ps`` shows: they name this machine's Python and paths.

    Source: proc_pid_cmdline(5): a process may overwrite its arguments; proc_pid_stat(5): where they begin and end.
    """
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123 - no pathlib in the warm process
        fields = file.read().rpartition(b")")[2].split()
    begin, end = int(fields[45]), int(fields[46])  # arg_start and arg_end, fields 48 and 49 of the whole line
    length = end - begin
    if length < 2:
        return
    # A last byte that is no NUL makes the kernel show one text up to its first NUL, not the old number of arguments.
    text = shown.encode()[: length - 2]
    ctypes.memmove(begin, text + b"\0" * (length - len(text) - 1) + b"\1", length)


def _reap(program: int) -> int | None:
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == program:
            found = status
