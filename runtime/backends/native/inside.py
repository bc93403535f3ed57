"""Helpers of a run that lasts, which live in its namespaces and are no part of it: one gives sockets, one reads files.

Who enters a user namespace must have one thread, and nothing of this machine may follow; so each is a process of its
own, a new interpreter that ends with its caller.
"""

import hashlib
import json
import os
import socket
import stat
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from runtime.backends.native import processes
from runtime.backends.native.changes import changed_paths
from runtime.backends.native.collector import read_marks
from runtime.canonical import Json, to_canonical_json

SHOWN = 20
"""How many of the changed paths are told by name."""

_CHUNK = 1 << 20
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def give_sockets(control: socket.socket, user: int, network: int) -> None:
    """Answer each byte with a new TCP socket of a network namespace, until the caller is gone.

    The caller connects it: nothing here waits for anybody but the caller.
    """
    processes.enter(user, processes.CLONE_NEWUSER)
    processes.enter(network, processes.CLONE_NEWNET)
    with suppress(BrokenPipeError, ConnectionResetError):
        while control.recv(1):
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as made:
                socket.send_fds(control, [b"s"], [made.fileno()])


def tell_changes(pid: int, user: int, before: int, upper: int, layers: Sequence[int]) -> Mapping[str, Json]:
    """Return what a run has changed in its tree since its program began, with the eyes of its own root.

    Args:
        pid: of its program, as this machine counts.
        user: descriptor of its user namespace.
        before: of a file of the marks before the program began; see ``changed_paths``, like the next two.
        upper: of the folder that catches what it writes.
        layers: of those under it.

    Returns:
        ``files``: the digest of names, kinds, modes, owners and contents of all that changed, None if nothing did;
        ``changed``: the first of the paths, and ``count`` how many there are; ``personality`` of the program.
    """
    processes.enter(user, processes.CLONE_NEWUSER)
    processes.become(0, 0, ())
    paths = changed_paths(upper, layers, read_marks(before))
    lines: list[Json] = [[path, *_described(upper, path)] for path in paths]
    digest = "sha256:" + hashlib.sha256(to_canonical_json(lines)).hexdigest() if lines else None
    personality = int(_content(f"/proc/{pid}/personality"), 16)  # closed to all but its own users
    return {"files": digest, "changed": list(paths[:SHOWN]), "count": len(paths), "personality": personality}


def _content(path: str) -> bytes:
    """Return the bytes of a small file: a text would want a codec, which may lie where user 0 of the run may not go."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 64)
    finally:
        os.close(descriptor)


def _described(upper: int, path: str) -> list[Json]:
    """Return what a path of the upper folder is; a folder of it that leads elsewhere is not followed."""
    name = path.lstrip("/")
    try:
        found = os.stat(name, dir_fd=upper, follow_symlinks=False)
    except OSError:
        return ["removed"]
    described: list[Json] = [found.st_mode, found.st_uid, found.st_gid, found.st_size]
    if stat.S_ISLNK(found.st_mode):
        described.append(os.fsencode(os.readlink(name, dir_fd=upper)).decode("utf-8", "backslashreplace"))
    elif stat.S_ISREG(found.st_mode):
        described.append(_digest(upper, name))
    return described


def _digest(upper: int, name: str) -> str:
    """Return the digest of a file; nobody can exchange the upper folder's folders for links but the run's own root."""
    try:
        with os.fdopen(os.open(name, _FILE, dir_fd=upper), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"errno {error.errno}"


def main() -> None:
    """Be the helper that the arguments name, with its descriptors by their numbers.

    ``changes`` writes one object of JSON to stdout.
    """
    what, *words = sys.argv[2:]
    numbers = [int(each) for each in words]
    match what:
        case "sockets":
            give_sockets(socket.socket(fileno=numbers[0]), numbers[1], numbers[2])
        case "changes":
            pid, user, before, upper, *layers = numbers
            found: Mapping[str, Any] = tell_changes(pid, user, before, upper, layers)
            sys.stdout.write(json.dumps(found))
            sys.stdout.flush()
        case _:
            raise ValueError(f"there is no helper {what!r}")
    os._exit(0)
