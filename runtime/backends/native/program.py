"""Become the program of a run, but never by this machine's interpreter, which the kernel would hand to the image."""

import errno
import os
from collections.abc import Mapping

from runtime.backends.native import mounts

_SCRIPTS = 6  # the kernel gives up (ELOOP) after five interpreters: Linux fs/exec.c, exec_binprm
_LINE = 256  # linux/binfmts.h: BINPRM_BUF_SIZE
_REFUSED = "leads through a link of /proc or in a circle, which is refused"


def try_to_execute(argv: tuple[str, ...], environment: Mapping[str, str]) -> OSError:
    """Replace this process, or return why not: the last error along PATH that is not "not there"."""
    found: OSError = FileNotFoundError(errno.ENOENT, "No such file or directory")
    for path in places(argv[0], environment):
        try:
            refuse_magic_links(path)
            os.execve(path, argv, dict(environment))  # noqa: S606 - to start a program without a shell is the purpose
        except OSError as error:
            if not isinstance(error, FileNotFoundError | NotADirectoryError):
                found = error
    return found


def places(program: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return where a program may be, in order: at its own path, or by its name along PATH."""
    if "/" in program:
        return (program,)
    return tuple(f"{folder or '.'}/{program}" for folder in environment.get("PATH", os.defpath).split(":"))


def refuse_magic_links(path: str) -> None:
    """Refuse a program that is reached, or whose ``#!`` interpreters are, through a link of procfs.

    Until the program is executed ``/proc/self/exe`` is the Python of this machine. Executed from an image it would run
    with the image's libraries, and could be opened for writing by whoever its owner is inside (CVE-2019-5736).
    Nothing of the run is there yet that could exchange a file after this look.

    Raises:
        OSError: ELOOP; all other errors are left to execve, which meets them too.
    """
    script = os.fsencode(path)
    for _ in range(_SCRIPTS):
        try:
            descriptor = mounts.open_without_magic(script, os.O_PATH)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise OSError(errno.ELOOP, _REFUSED) from error
            return
        os.close(descriptor)
        script = _interpreter(script)
        if not script:
            return


def _interpreter(path: bytes) -> bytes:
    """Return what a script's first line names, empty for what is no script."""
    try:
        descriptor = mounts.open_without_magic(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        # The kernel reads a script that the user may not read. Where that could do harm it is not tried.
        if error.errno == errno.EACCES and os.access("/proc/self/exe", os.W_OK):
            raise
        return b""
    try:
        line = os.read(descriptor, _LINE)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
    words = line.partition(b"\n")[0].partition(b"\0")[0].removeprefix(b"#!").split() if line.startswith(b"#!") else []
    return words[0] if words else b""
