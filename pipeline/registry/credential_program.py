"""Credentials from the programs that keep them for docker: ``docker-credential-NAME get``.

The program gets the name of the registry on its standard input, and answers with one JSON object. Nothing that it
writes is trusted: not its length, not its form, and nothing of it is shown but the line in which it says why it failed.

Source: the protocol of docker-credential-helpers, README.md, "Development".
"""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from pipeline.declare.errors import FetchError
from pipeline.registry.answers import printable

SECONDS = 30.0
"""How long a program may take; some ask their user for a password."""

_LIMIT = 64 * 1024
_LENGTH = 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_MISSING = "credentials not found in native keychain"
_IDENTITY = "<token>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Who asks a registry.

    Args:
        name: of the user; empty with an identity token.
        secret: the password, or the identity token.
        is_identity: whether the secret is an identity token, for which the registry's token service gives a token.
    """

    name: str = field(repr=False)
    secret: str = field(repr=False)
    is_identity: bool = False


def ask_program(name: str, server: str, *, seconds: float = SECONDS) -> Credential | None:
    """Return what a program keeps for a registry, None if it keeps nothing.

    Args:
        name: the part of its name after ``docker-credential-``.
        server: the registry, as docker calls it.
        seconds: after which it is ended.

    Raises:
        FetchError: there is no such program, it fails, takes too long, or answers in another form.
    """
    program = f"docker-credential-{name}"
    if not _NAME.fullmatch(name):
        raise FetchError(f"{printable(name, _LENGTH)!a} is no name of a credential program")
    path = shutil.which(program)
    if path is None:
        raise FetchError(
            f"the program {program}, which keeps the credentials of {server}, is not installed",
            hint="install it, or leave it out of credHelpers and credsStore in Docker's config.json",
        )
    code, said = _run(Path(path), server, seconds)
    if code == 0:
        return _read(program, server, said)
    reason = said.decode(errors="replace").strip()
    if reason == _MISSING:
        return None
    raise FetchError(f"{program} has no credentials of {server}: {_first_line(reason) or f'it ended with {code}'}")


def _run(path: Path, server: str, seconds: float) -> tuple[int, bytes]:
    """Return how a program ended and what it wrote; it and its children are ended where they go on for too long."""
    try:
        process = subprocess.Popen(  # noqa: S603 - the name was checked, and the user's own configuration says it
            [path, "get"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise FetchError(f"{path} cannot be started: {error.strerror}") from error
    said = bytearray()
    reader = threading.Thread(target=_converse, args=(process, server, said), daemon=True)
    reader.start()
    reader.join(seconds)
    try:
        if reader.is_alive():
            raise FetchError(f"{path.name} did not answer within {seconds:g} s")
        if len(said) > _LIMIT:
            raise FetchError(f"{path.name} writes more than the {_LIMIT} bytes that are read of it")
        return process.wait(seconds), bytes(said)
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"{path.name} did not end within {seconds:g} s") from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # Also those that it started, which may hold the pipe.
        process.wait()
        reader.join()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(BrokenPipeError):  # What was not read by it was not written either.
                cast("IO[bytes]", pipe).close()


def _converse(process: "subprocess.Popen[bytes]", server: str, said: bytearray) -> None:
    """Write what is asked, and read the answer up to a limit."""
    question, answer = cast("IO[bytes]", process.stdin), cast("io.BufferedReader", process.stdout)
    with contextlib.suppress(BrokenPipeError):  # It may answer without having read.
        question.write(server.encode())
        question.close()
    while len(said) <= _LIMIT and (part := answer.read1(_LIMIT)):
        said += part


def _read(program: str, server: str, said: bytes) -> Credential:
    try:
        document = json.loads(said)
    except (ValueError, RecursionError):
        document = None
    found = document if isinstance(document, dict) else {}
    name, secret = found.get("Username"), found.get("Secret")
    if not isinstance(name, str) or not isinstance(secret, str) or not secret:
        raise FetchError(f"{program} answers for {server} with something else than Username and Secret")
    is_identity = name == _IDENTITY
    return Credential(name="" if is_identity else name, secret=secret, is_identity=is_identity)


def _first_line(text: str) -> str:
    return printable(text.partition("\n")[0], _LENGTH)
