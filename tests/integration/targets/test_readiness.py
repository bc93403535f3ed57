"""Whether somebody answers, asked of real sockets, as an engine's proxy accepts for a program that is not there."""

import contextlib
import socket
import threading

import pytest

from pipeline.declare.errors import TargetError
from pipeline.release.targets.readiness import answers, await_all


@contextlib.contextmanager
def server(answer):
    """Listen on loopback, and answer each connection; None keeps it open and says nothing."""
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    kept.append(connection)
                    if answer is not None:
                        connection.sendall(answer)
                        connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    for each in kept:
        each.close()


def http(status):
    return f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("answer", "path", "is_ready"),
    [
        (None, "", True),
        (b"220 hello\r\n", "", True),
        (b"", "", False),
        (http(200), "/ready", True),
        (http(399), "/ready", True),
        (http(400), "/ready", False),
        (http(503), "/ready", False),
        (b"", "/ready", False),
        (b"no http\r\n", "/ready", False),
    ],
)
def test_answer_is_told_from_none(answer, path, is_ready):
    with server(answer) as port:
        assert answers("127.0.0.1", port, path) is is_ready


def test_nobody_who_listens_is_no_answer():
    with server(None) as port:
        pass
    assert not answers("127.0.0.1", port, "")
    assert not answers("127.0.0.1", port, "/ready")


def test_all_are_waited_for_and_those_that_are_late_are_named():
    asked = []
    await_all({"a": lambda: asked.append(1) or len(asked) > 2}, 10, what="come")
    assert len(asked) == 3
    with pytest.raises(TargetError, match="b, c did not come within 0 s"):
        await_all({"a": lambda: True, "c": lambda: False, "b": lambda: False}, 0, what="come")
