"""Run a Python function inside a user namespace with the ids of a run: how trees are unpacked and read."""

import os
import pickle
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar, cast

from runtime.backends.native.forked import fork, pickled_error, result_of
from runtime.backends.native.idmap import read_id_map, write_id_map
from runtime.backends.native.processes import CLONE_NEWUSER, become, die_with_parent, unshare

T = TypeVar("T")

_ENTERED = b"u"  # no pickle begins with it


def run_mapped(function: Callable[..., T], *, directories: tuple[Path, ...], one_id: bool | None = None) -> T:
    """Call ``function`` with one open descriptor a directory, as user 0 of a new user namespace, in a child process.

    The directories are opened before the ids change: those above them may be closed to the ids inside. The function
    must reach everything through the descriptors (``dir_fd``, ``os.fchdir``), may leave no threads, and its result is
    pickled. Its process dies with the caller's.

    Args:
        function: takes as many descriptors as there are directories.
        directories: existing directories.
        one_id: as of ``read_id_map``.

    Returns:
        What the function returned.

    Raises:
        BackendError: ids cannot be mapped here, or the child was killed.
        Exception: whatever the function raised.
    """
    id_map = read_id_map(one_id=one_id)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    descriptors: list[int] = []
    try:
        descriptors.extend(os.open(each, flags) for each in directories)
        ready_read, ready_write = os.pipe()
        go_read, go_write = os.pipe()
        caller = os.getpid()
        pid = fork()
        if pid == 0:
            os.close(ready_read)
            os.close(go_write)
            _be_child(function, descriptors, ready_write, go_read, caller)
    finally:
        for each in descriptors:
            os.close(each)
    os.close(ready_write)
    os.close(go_read)
    with os.fdopen(ready_read, "rb") as answers, os.fdopen(go_write, "wb", buffering=0) as go:
        try:
            first = answers.read(1)
            if first == _ENTERED:
                write_id_map(pid, id_map)
                go.write(_ENTERED)
                first = b""
            raw = first + answers.read()
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise
        finally:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return cast("T", result_of(raw, status, "inside the user namespace"))


def _be_child(function: Callable[..., T], descriptors: list[int], ready: int, go: int, caller: int) -> NoReturn:
    try:
        try:
            unshare(CLONE_NEWUSER)
            os.write(ready, _ENTERED)
            if os.read(go, 1) != _ENTERED:
                os._exit(1)
            become(0, 0, ())
            die_with_parent(caller)
            answer = pickle.dumps((True, function(*descriptors)))
        except BaseException as error:  # noqa: BLE001 - every failure is the caller's to see
            answer = pickled_error(error)
        with os.fdopen(ready, "wb") as stream:
            stream.write(answer)
        os._exit(0)
    finally:
        sys.stderr.flush()
        os._exit(1)
