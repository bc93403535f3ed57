"""``Gateway``: a port of this machine whose connections go to the containers that are well."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from pipeline.declare.errors import TargetError
from pipeline.release.targets.supervisor.replica import Container

ADDRESS = "127.0.0.1"

DRAIN = 10.0
"""Seconds that a connection has for its end when its container is about to go."""

_IDLE = 0.5
"""Seconds without a word after which a connection whose last word was the container's has nothing under way."""

_PATIENCE = 5.0
"""Seconds that a connection waits for a container that takes it."""

_CHUNK = 1 << 16
_LOOKING = 0.05


@dataclass(slots=True, kw_only=True, eq=False)
class _Relay:
    """One connection that is passed on."""

    container: Container
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    is_answered: bool = False
    last: float = 0.0

    @property
    def is_idle(self) -> bool:
        return self.is_answered and time.monotonic() - self.last >= _IDLE

    def cut(self) -> None:
        self.client.close()
        self.server.close()


class Gateway:
    """Passes connections on, to one container after the other."""

    def __init__(self) -> None:
        self._containers: tuple[Container, ...] = ()
        self._relays: set[_Relay] = set()
        self._server: asyncio.Server | None = None
        self._port: int | None = None
        self._next = 0

    @property
    def port(self) -> int | None:
        """On which it listens; None for none."""
        return self._port

    async def open(self, port: int | None) -> None:
        """Listen on a port, in place of the one before; on none if it is None.

        Raises:
            TargetError: somebody else listens there.
        """
        if port == self._port:
            return
        made = None
        if port is not None:
            try:
                made = await asyncio.start_server(self._pass_on, ADDRESS, port)
            except OSError as error:
                raise TargetError(
                    f"port {port} of {ADDRESS} cannot be had: {error.strerror}", hint="choose another `deploy.port`"
                ) from error
        before, self._server, self._port = self._server, made, port
        if before:
            before.close()

    def lead_to(self, containers: Sequence[Container]) -> None:
        """Give new connections to these containers from now on; what is under way goes on."""
        self._containers = tuple(containers)

    async def drain(self, containers: Sequence[Container]) -> None:
        """Wait until the connections of containers have ended, and cut what does not end in time, or is idle."""
        due = time.monotonic() + DRAIN
        while found := [each for each in self._relays if each.container in containers]:
            for each in found:
                if each.is_idle or time.monotonic() >= due:
                    each.cut()
            await asyncio.sleep(_LOOKING)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay = None
        try:
            reached = await self._reach()
            if reached is None:
                return
            container, from_server, to_server = reached
            relay = _Relay(container=container, client=writer, server=to_server, last=time.monotonic())
            self._relays.add(relay)
            await asyncio.gather(
                _copy(reader, to_server, relay, is_answer=False), _copy(from_server, writer, relay, is_answer=True)
            )
        except OSError:
            pass  # either end is gone, and hears so by the end of its connection
        finally:
            if relay:
                self._relays.discard(relay)
                relay.server.close()
            writer.close()

    async def _reach(self) -> tuple[Container, asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Connect to the next container; one that has just gone is passed over, as nothing was sent to it yet.

        Where none answers, there may be one in a moment: it is being started again.
        """
        due = time.monotonic() + _PATIENCE
        self._next += 1
        while known := self._containers:
            turn = [known[(self._next + each) % len(known)] for each in range(len(known))]
            for each in sorted(turn, key=lambda each: not each.is_healthy):  # the ill ones if there is no other
                with suppress(OSError):
                    return each, *await asyncio.open_connection(sock=await each.connect())
            if time.monotonic() >= due:
                break
            await asyncio.sleep(_LOOKING)
        return None


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, relay: _Relay, *, is_answer: bool) -> None:
    while chunk := await reader.read(_CHUNK):
        relay.is_answered, relay.last = is_answer, time.monotonic()
        writer.write(chunk)
        await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.write_eof()
