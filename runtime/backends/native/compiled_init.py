"""Process 1 of a run by the launcher, a static program: a tenth of the memory and time that a fork of Python takes.

It is executed from a sealed copy, so that what a run reaches as ``/proc/1/exe`` cannot be written (CVE-2019-5736). The
copy may be executed but not read: the kernel then lets nobody trace the process or open that link, from its first
instruction on. Where the launcher was not built, ``runtime.backends.native.first_process`` does the same.

Source: the head of runtime/launcher/launcher.c; ptrace(2), "Ptrace access mode checking".
"""

import fcntl
import os
from collections.abc import Mapping, Sequence
from typing import NoReturn

from runtime.backends.native.first_process import NAME
from runtime.backends.native.sealed_copy import sealed_copy
from runtime.backends.native.syscalls import MACHINE

_CONTROL = 3
_TASK = 4
_TASK_FORM = "3"  # TASK_FORM of the launcher, which refuses another one
_EXECUTABLE_ONLY = 0o111


def open_compiled_init(home: str) -> int:
    """Return a descriptor of the launcher's sealed copy, -1 where it was not built.

    Args:
        home: the folder that holds the package ``runtime``.
    """
    try:
        original = os.open(f"{home}/runtime/launcher/launcher-{MACHINE}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1
    try:
        return sealed_copy(original, NAME, mode=_EXECUTABLE_ONLY)
    finally:
        os.close(original)


def task_of(
    paths: Sequence[str],
    argv: Sequence[str],
    environment: Mapping[str, str],
    ignored: Sequence[int],
    *,
    waits: bool,
    grace: int = 0,
) -> bytes:
    """Return what tells the launcher what to start.

    Args:
        paths: where the program may be, tried in this order.
        argv: its arguments, from its name on.
        environment: the whole of it.
        ignored: numbers of signals.
        waits: whether the program starts at a word of the warm process, and not at once.
        grace: milliseconds that what it leaves behind has to heed SIGTERM.

    Raises:
        ValueError: a part holds a NUL, as no argument can.
    """
    variables = [f"{name}={value}" for name, value in environment.items()]
    lists = ([str(each) for each in ignored], paths, argv, variables)
    head = (_TASK_FORM, str(int(waits)), str(grace), *(str(len(each)) for each in lists))
    parts = [*head, *(part for each in lists for part in each)]
    encoded = [os.fsencode(each) for each in parts]
    if any(b"\0" in each for each in encoded):
        raise ValueError("embedded null byte")
    return b"".join(each + b"\0" for each in encoded)


def become_compiled_init(init: int, control: int, task: bytes) -> NoReturn:
    """Replace this process by the launcher as process 1.

    Args:
        init: of ``open_compiled_init``.
        control: the socket to the warm process.
        task: of ``task_of``.
    """
    written = os.memfd_create("task")
    with os.fdopen(os.dup(written), "wb") as file:
        file.write(task)
    # Out of the way first: any of the three may have the number of another.
    program, *moved = (fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, _TASK + 1) for each in (init, control, written))
    for number, each in zip((_CONTROL, _TASK), moved, strict=True):
        os.dup2(each, number)
    os.execve(program, [NAME], {})  # noqa: S606 - a program without a shell is the purpose
