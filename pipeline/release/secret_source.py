"""``read_secrets``: the values of secrets from where a stage says that they are. No message of ours holds one.

A file is refused that others may read, as libpq refuses a key. A program runs without a shell and without a terminal;
what it says on stderr goes to whoever deploys.
"""

import os
import selectors
import signal
import stat
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from pipeline.declare.errors import SpecError
from pipeline.declare.stage_file import SecretPart

MOST = 64 << 10
"""Bytes of a value; the kernel gives a program no variable of twice as much."""
_READ = MOST + 3  # by then it is too long, an end of line or not

TIME = 60.0
"""Seconds that a program may take, a person's touch of a token included."""


def read_secrets(
    places: Iterable[SecretPart], folder: Path, environment: Mapping[str, str], *, seconds: float = TIME
) -> Mapping[str, str]:
    """Return name → value.

    Args:
        places: of each secret.
        folder: from which their paths are seen, and where programs run.
        environment: of the process, for programs and ``~``.
        seconds: that each program may take.

    Raises:
        SpecError: a value cannot be had, or can be no variable's.
    """
    found = {}
    for each in places:
        if each.file is not None:
            found[each.name] = _text(each.name, _content(each.name, _path(each.file, folder, environment)))
        elif each.command is not None:
            found[each.name] = _text(each.name, _output(each.name, each.command, folder, environment, seconds))
    return found


def _path(file: str, folder: Path, environment: Mapping[str, str]) -> Path:
    home = environment.get("HOME")
    return Path(home, file[2:]) if home and file.startswith("~/") else folder / file


def _content(name: str, path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would wait for a writer
        try:
            _refuse_open_to_others(name, path, os.fstat(descriptor))
            with open(descriptor, "rb", closefd=False) as stream:
                return stream.read(_READ)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SpecError(f"the secret {name} cannot be read from {path}: {error.strerror}") from error


def _refuse_open_to_others(name: str, path: Path, status: os.stat_result) -> None:
    """Refuse a file that others may read; one of root's may be a group's too, as a group that deploys has it.

    Source: PostgreSQL, libpq, "Client Certificates": the rule for a key.
    """
    if not stat.S_ISREG(status.st_mode):
        raise SpecError(f"{path}, which has the secret {name}, is no file")
    if status.st_uid not in {0, os.geteuid()}:
        raise SpecError(f"{path}, which has the secret {name}, belongs to another user", hint="give it to yours")
    closed_to = 0o027 if status.st_uid == 0 and os.geteuid() else 0o077
    if status.st_mode & closed_to:
        message = f"{path}, which has the secret {name}, is open to others (mode {status.st_mode & 0o777:04o})"
        raise SpecError(message, hint=f"run `chmod {'640' if closed_to == 0o027 else '600'} {path}`")


def _output(name: str, command: tuple[str, ...], folder: Path, environment: Mapping[str, str], seconds: float) -> bytes:
    """Return what a program writes; it and what it started are ended when it writes too much or too long."""
    end = time.monotonic() + seconds
    try:
        process = subprocess.Popen(  # noqa: S603 - the stage's own words
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise SpecError(f"{command[0]}, which has the secret {name}, cannot be run: {error.strerror}") from error
    with process:
        try:
            found = _read(process, end)
            code = process.wait(max(0.0, end - time.monotonic())) if len(found) < _READ else None
        except BaseException as error:
            _end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise SpecError(f"{command[0]} did not give the secret {name} within {seconds:g} s") from None
            raise
        if code is None:
            _end(process)
    if code:
        hint = "run it by hand; what it wrote on stderr stands above"
        raise SpecError(f"{command[0]}, which has the secret {name}, ended with exit code {code}", hint=hint)
    return found


def _read(process: subprocess.Popen[bytes], end: float) -> bytes:
    """Return what a process writes until it closes its output, or a little more than may be."""
    found = bytearray()
    if process.stdout is None:
        return b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(found) < _READ:
            if not selector.select(max(0.0, end - time.monotonic())):
                raise subprocess.TimeoutExpired(process.args, 0)
            block = os.read(process.stdout.fileno(), MOST)
            if not block:
                break
            found += block
    return bytes(found)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _text(name: str, raw: bytes) -> str:
    """Return a value as text, without the end of its last line."""
    content = raw.removesuffix(b"\n").removesuffix(b"\r")
    if len(content) > MOST:
        raise SpecError(f"the secret {name} is longer than {MOST >> 10} KiB")
    if not content:
        raise SpecError(f"the secret {name} is empty")
    try:
        found = content.decode()
    except UnicodeDecodeError:
        raise SpecError(f"the secret {name} is no UTF-8 text", hint="encode it, such as by base64") from None
    if "\0" in found:
        raise SpecError(f"the secret {name} holds NUL, which no variable can", hint="encode it, such as by base64")
    return found
