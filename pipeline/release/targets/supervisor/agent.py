"""``Agent``: gives sockets of a container's own network namespace, which this machine's network does not reach."""

import asyncio
import errno
import os
import socket
import sys
from collections import deque
from contextlib import suppress
from typing import Self

from pipeline.declare.errors import TargetError
from runtime.backends.native.launch import HOME
from runtime.backends.native.running import Lasting

_START = "import sys; sys.path.insert(0, sys.argv[1]); from runtime.backends.native.inside import main; main()"


class Agent:
    """The process in a container's network namespace; it ends with ``close``, or with this process."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self._process, self._control = process, control
        self._waiting: deque[asyncio.Future[socket.socket]] = deque()
        control.setblocking(False)  # noqa: FBT003 - the interface of sockets
        asyncio.get_running_loop().add_reader(control, self._receive)

    @classmethod
    async def start(cls, lasting: Lasting) -> Self:
        """Start the agent of a container that runs."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            numbers = (theirs.fileno(), lasting.user, lasting.network)
            process = await _spawn("sockets", numbers)
        return cls(process, ours)

    async def connect(self, port: int) -> socket.socket:
        """Return a connection to a port of the container.

        Raises:
            OSError: nobody listens there, or the container has ended.
        """
        made = await self._socket()
        try:
            await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
        except BaseException:
            made.close()
            raise
        return made

    async def close(self) -> None:
        """End the agent; idempotent."""
        if self._control.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
        self._fail()
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def _socket(self) -> socket.socket:
        if self._control.fileno() < 0:
            raise ConnectionResetError("the container has ended")
        waiting: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await asyncio.get_running_loop().sock_sendall(self._control, b"?")
        return await waiting

    def _receive(self) -> None:
        try:
            content, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
        except BlockingIOError:
            return
        except OSError:
            content, descriptors = b"", []
        if not content:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            self._fail()
            return
        waiting = self._waiting.popleft()
        if not descriptors:  # the kernel leaves one out where this process may have no more of them
            if not waiting.done():
                waiting.set_exception(OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
            return
        made = socket.socket(fileno=descriptors[0])
        made.setblocking(False)  # noqa: FBT003 - the interface of sockets
        if waiting.cancelled():
            made.close()
        else:
            waiting.set_result(made)

    def _fail(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(ConnectionResetError("the container has ended"))


async def read_changes(lasting: Lasting, pid: int) -> bytes:
    """Return what a container has changed in its tree, as JSON; see ``runtime.backends.native.inside``.

    Args:
        lasting: the container.
        pid: of its program.

    Raises:
        TargetError: it cannot be read.
    """
    numbers = (lasting.user, *lasting.written)
    process = await _spawn("changes", numbers, first=(pid,), output=asyncio.subprocess.PIPE)
    found, _ = await process.communicate()
    if process.returncode or not found:
        raise TargetError(f"what a container changed cannot be read: the reader ended with {process.returncode}")
    return found


async def _spawn(
    what: str, numbers: tuple[int, ...], *, first: tuple[int, ...] = (), output: int | None = None
) -> asyncio.subprocess.Process:
    """Start a helper with descriptors that it has by the same numbers; ``first`` are numbers of another kind."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", _START, HOME, what, *map(str, (*first, *numbers))),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output if output is not None else asyncio.subprocess.DEVNULL,
        env={},
        pass_fds=numbers,
        start_new_session=True,
        cwd=os.sep,
    )
