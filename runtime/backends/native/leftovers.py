"""What a program leaves behind when it ends: processes that are asked to end too, or killed, and told of.

``launcher.c`` does the same where it is process 1; a test holds the two equal.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from runtime.outcome import Ending

SETTLING = 0.03
"""Seconds in which a process may end by itself, as helpers do whose pipe has closed: then it was not left behind."""

MOST = 64
"""Processes that are told of."""

_DYING = 1.0  # seconds for what was killed; what is left then dies with process 1
_PAUSE = 0.001  # seconds

Tell = Callable[[Mapping[str, object]], object]


def end_leftovers(grace: int, tell: Tell) -> None:
    """End every other process of a PID namespace, as its process 1, and tell of each.

    Without any this costs one system call.

    Args:
        grace: milliseconds in which they may heed SIGTERM; 0 kills them at once.
        tell: is given each end, as ``read_ending`` reads it; of ``MOST`` at most.
    """
    if not _are_any():
        return
    for _ in _endings(SETTLING):
        pass
    told = 0
    for number, seconds in ((signal.SIGTERM, grace / 1000), (signal.SIGKILL, _DYING)):
        if not seconds or not _are_any():
            continue
        asked = time.monotonic()
        with suppress(ProcessLookupError, PermissionError):
            os.kill(-1, number)
        for name, status in _endings(seconds):
            told += 1
            after = round((time.monotonic() - asked) * 1000) if grace else -1
            is_killed = number == signal.SIGKILL
            if told <= MOST:
                tell({"left": name, "how": status, "after": after + grace * is_killed, "killed": is_killed})


def read_ending(message: Mapping[str, Any]) -> Ending:
    """Return what process 1 told of one of them."""
    code = os.waitstatus_to_exitcode(int(message["how"]))
    return Ending(
        name=str(message["left"]),
        exit_code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        is_killed=message["killed"] is True,
        duration=int(message["after"]),
    )


def _are_any() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _endings(seconds: float) -> Iterator[tuple[str, int]]:
    """Yield name and wait status of each child that ends within a time, until none is left."""
    end = time.monotonic() + seconds
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is not None:
            name = _name(found.si_pid)  # a dead process has its name until it is waited for
            yield name, os.waitpid(found.si_pid, 0)[1]
        elif time.monotonic() >= end:
            return
        else:
            time.sleep(_PAUSE)


def _name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:  # noqa: PTH123 - no pathlib in the warm process
            raw = file.read().removesuffix(b"\n")
    except OSError:
        return "?"
    return "".join(chr(each) if 0x20 < each < 0x7F and each not in b'"\\' else "?" for each in raw)
