"""How the warm process comes to be: by another start of the interpreter, or as a fork of a client that is small yet.

Another start costs 8 ms and all its imports, beside those of the client, which are nearly the same. A command that is
there for one run alone forks before it has imported anything else (``fork``); whatever may live longer or grow larger
starts a process of its own (``launch``), in which nothing of the caller is left.
"""

import fcntl
import gc
import os
import socket
import sys
from importlib import import_module
from typing import NoReturn

from runtime.data import dataclass
from runtime.errors import SeatrialError

_START = (
    "import os, sys; os.chdir('/'); sys.path.insert(0, sys.argv[2]); "
    "from runtime.backends.native.zygote import main; main()"
)
_ONE_ID = "one-id"  # as the warm process knows it, whose module is large
_SOCKET = 3
_FIRST_FREE = 16  # above every number that a file action writes to
_SHARED = (
    "runtime.factors",
    "runtime.backends.native.emulation",
    "runtime.backends.native.one_id",
    "runtime.backends.native.order",
    "runtime.backends.native.stacks",
    "runtime.backends.native.collector",
    "runtime.backends.native.machine",
    "runtime.backends.native.wire",
    "runtime.host",
)
HOME = __file__.rsplit("/", 4)[0]
"""The folder that holds the package ``runtime``, whose modules are byte-code alone in a virtual machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """A warm process on its way: it says hello on the connection, and ends with it."""

    pid: int
    connection: socket.socket


def launch(*, one_id: bool) -> Launched:
    """Start the warm process as a new interpreter; its environment is empty.

    Args:
        one_id: whether runs have one id only.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs:
        moved = fcntl.fcntl(theirs, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
    try:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", "-c", _START, str(_SOCKET), HOME, *([_ONE_ID] * one_id)],
            {},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, moved, _SOCKET),
            ],
            setsid=True,  # a terminal's Ctrl-C is ours to answer, from the first moment on
        )
    except BaseException:
        ours.close()
        raise
    finally:
        os.close(moved)
    return Launched(pid=pid, connection=ours)


def fork() -> Launched:
    """Fork the warm process from this one, which has one thread yet and little memory.

    What both need is imported before, and what either needs alone is imported by both at the same time.
    """
    for module in _SHARED:
        import_module(module)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    gc.freeze()  # else the first collection writes into every object, and so copies every page, in each process
    pid = os.fork()
    if pid == 0:
        ours.close()
        _be_warm(theirs)
    theirs.close()
    return Launched(pid=pid, connection=ours)


def _be_warm(control: socket.socket) -> NoReturn:
    """Be the warm process: what ``launch`` gives a new one, this one is given here."""
    try:
        os.setsid()
        os.chdir("/")
        os.environ.clear()
        for number, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY)):
            null = os.open(os.devnull, flags | os.O_CLOEXEC)
            os.dup2(null, number)
            os.close(null)
        from runtime.backends.native.zygote import serve  # noqa: PLC0415 - the client needs it not

        serve(control, HOME)
        os._exit(0)
    except (KeyboardInterrupt, SeatrialError):
        pass  # between the fork and the new session; or what the client meets too, and tells of
    except BaseException:  # noqa: BLE001 - whatever it is, this process must not return into its parent's code
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)
