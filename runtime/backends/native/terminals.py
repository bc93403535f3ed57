"""Terminals of a run's own: what its streams are where its plan asks for them.

There are two, of the same size: one for stdin and stdout, which is the controlling one, and one for stderr. A program
cannot tell that from one, and whoever reads what was written can tell stdout from stderr, as without a terminal.
"""

import os
import struct
from fcntl import ioctl

from runtime.backends.native import mounts
from runtime.factors.process import window_of
from runtime.plan import Plan

_TIOCSCTTY = 0x540E  # asm-generic/ioctls.h
_TIOCSWINSZ = 0x5414
_TIOCSPTLCK = 0x40045431
_TIOCGPTPEER = 0x5441
_STDIN, _STDOUT, _STDERR = 0, 1, 2


def take_terminals(root: int, plan: Plan, *, has_stdin: bool, gives: bool) -> tuple[int, int]:
    """Make this process, which leads its session, talk to terminals; return the other ends of stdout and stderr.

    Args:
        root: the run's tree, in which /dev/pts is mounted.
        plan: whose program will be started.
        has_stdin: whether descriptor 0 comes from elsewhere.
        gives: whether the program's user is given the terminals; one that has one id only owns them as it is.

    Source: pty(7), ioctl_tty(2), devpts(5).
    """
    others = []
    for numbers in ((_STDOUT,) if has_stdin else (_STDIN, _STDOUT), (_STDERR,)):
        other, terminal = _open_pair(root, plan)
        if gives:
            os.fchown(terminal, plan.user.uid, -1)
        for each in numbers:
            os.dup2(terminal, each)
        os.close(terminal)
        others.append(other)
    ioctl(_STDOUT, _TIOCSCTTY, 0)
    return others[0], others[1]


def _open_pair(root: int, plan: Plan) -> tuple[int, int]:
    """Return both ends of a new terminal of the run's own devpts: who writes, who shows it."""
    master = mounts.open_inside(root, "/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC, links=False)
    ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    terminal = ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    columns, rows = window_of(plan)
    ioctl(terminal, _TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    return master, terminal
