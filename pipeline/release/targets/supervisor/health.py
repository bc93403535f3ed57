"""Whether a container answers as its stage says."""

import asyncio
import socket
from contextlib import suppress

from pipeline.declare.stage_file import HealthPart
from pipeline.release.targets.supervisor.agent import Agent

_ANSWERING = 2.0  # seconds that one answer may take


async def is_answered(agent: Agent, health: HealthPart) -> bool:
    """Ask a container once: a connection is enough, or what is asked for over it is answered with 200 to 399."""
    try:
        async with asyncio.timeout(_ANSWERING):
            return await _answers(await agent.connect(health.port), health)
    except (OSError, TimeoutError, ValueError):  # the last of a line without an end
        return False


def what_is_wanted(health: HealthPart | None) -> str:
    """Return what a container that is not well does not do, as half a sentence."""
    if health is None:
        return "its program does not run"
    if health.http is None:
        return f"it accepts no connection on port {health.port}"
    return f"GET {health.http} on port {health.port} is not answered with 200 to 399"


async def _answers(made: socket.socket, health: HealthPart) -> bool:
    if health.http is None:
        made.close()
        return True
    reader, writer = await asyncio.open_connection(sock=made)
    try:
        asked = f"GET {health.http} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: seatrial\r\nConnection: close\r\n\r\n"
        writer.write(asked.encode("utf-8", "replace"))
        await writer.drain()
        words = (await reader.readline()).split()
        return len(words) > 1 and words[0].startswith(b"HTTP/1.") and b"200" <= words[1] <= b"399"
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
