"""Whether a container answers: asked from this machine, as whatever sends it traffic would ask."""

import http.client
import socket
import time
from collections.abc import Callable
from contextlib import closing

from pipeline.declare.errors import TargetError

_PAUSE = 0.1
_MOMENT = 0.3  # seconds
_PATIENCE = 2.0  # seconds that one answer may take


def answers(address: str, port: int, path: str) -> bool:
    """Tell whether somebody accepts a connection and, where there is a path, answers it with 200 to 399."""
    try:
        if not path:
            with socket.create_connection((address, port), timeout=_PATIENCE) as connected:
                return _stays(connected)
        with closing(http.client.HTTPConnection(address, port, timeout=_PATIENCE)) as connection:
            connection.request("GET", path, headers={"User-Agent": "seatrial", "Connection": "close"})
            return 200 <= connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False


def await_all(waiting: dict[str, Callable[[], bool]], seconds: float, *, what: str) -> None:
    """Wait until each of some questions was answered with yes once.

    Args:
        waiting: name → asks whether it is ready; may raise ``TargetError`` where it never will be.
        seconds: how long, for all of them together.
        what: they do not do in time, for the message: ``answer at /healthz``.

    Raises:
        TargetError: one of them is not ready in time.
    """
    end = time.monotonic() + seconds
    while waiting:
        waiting = {name: is_ready for name, is_ready in waiting.items() if not is_ready()}
        if waiting and time.monotonic() > end:
            raise TargetError(f"{', '.join(sorted(waiting))} did not {what} within {seconds:g} s")
        if waiting:
            time.sleep(_PAUSE)


def _stays(connected: socket.socket) -> bool:
    """Tell whether a connection stays: a proxy of an engine accepts each, and closes it if nobody listens behind."""
    connected.settimeout(_MOMENT)
    try:
        return bool(connected.recv(1))
    except TimeoutError:
        return True
