"""The sockets that an agent gives, where this process may have no more of them for a moment."""

import asyncio
import socket

import pytest

from pipeline.release.targets.supervisor.agent import Agent


class Ended:
    """A process that has ended."""

    def kill(self):
        raise ProcessLookupError

    async def wait(self):
        return 0


async def connected_after_one_without_a_socket():
    """Return what became of two connections, the socket of the first of which was left out."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with socket.socket() as listening, theirs:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        agent = Agent(Ended(), ours)
        first, second = (asyncio.create_task(agent.connect(port)) for _ in range(2))
        await asyncio.sleep(0)
        theirs.send(b"s")
        with socket.socket() as given:
            socket.send_fds(theirs, [b"s"], [given.fileno()])
        found = await asyncio.wait_for(asyncio.gather(first, second, return_exceptions=True), 5)
        await agent.close()
        return found


def test_connection_without_a_socket_fails_and_the_next_one_is_made():
    failed, made = asyncio.run(connected_after_one_without_a_socket())
    with made, pytest.raises(OSError, match="Too many open files"):
        raise failed
