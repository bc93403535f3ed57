"""Whether a container answers, whatever it answers: nothing that it writes ends whoever asks."""

import asyncio
import socket

import pytest

from pipeline.declare.stage_file import HealthPart
from pipeline.release.targets.supervisor.health import is_answered

HEALTH = HealthPart.model_validate({"http": "/healthz", "port": 8000, "within": "1s"})


class Container:
    """Gives connections whose other end has written its answer already."""

    def __init__(self, answer):
        self.answer = answer

    async def connect(self, port):
        assert port == HEALTH.port
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        theirs.settimeout(0)
        self.writing = asyncio.create_task(self.write(theirs))
        return ours

    async def write(self, theirs):
        with theirs:
            await asyncio.get_running_loop().sock_sendall(theirs, self.answer)
            await asyncio.sleep(0.2)


async def asked(answer):
    container = Container(answer)
    found = await is_answered(container, HEALTH)
    container.writing.cancel()
    return found


@pytest.mark.parametrize(
    ("answer", "is_well"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.0 399\r\n\r\n", True),
        (b"HTTP/1.1 500 No\r\n\r\n", False),
        (b"HTTP/1.1\r\n", False),
        (b"\r\n", False),
        (b"\xff\xfe\n", False),
        (b"SSH-2.0-x 200\r\n", False),
        (b"x" * 200_000, False),
        (b"", False),
    ],
)
def test_answer_says_whether_a_container_is_well(answer, is_well):
    assert asyncio.run(asked(answer)) is is_well
