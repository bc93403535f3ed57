"""``under_load``: requests sent to a deployment, by a few threads one after the other, while something else is done."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

SENDERS = 4
"""How many send at a time."""

_ANSWER_TIME = 10.0  # seconds


@dataclass(slots=True, kw_only=True)
class Load:
    """Requests that were sent.

    Args:
        answered: how many were answered with 200 to 399.
        failures: how the others failed, the first of them.
    """

    answered: int = 0
    failures: list[str] = field(default_factory=list)


@contextmanager
def under_load(port: int | None, path: str | None, *, senders: int = SENDERS) -> Iterator[Load]:
    """Send requests to a port of this machine for the length of a block; none where port or path is not known.

    Each is a connection of its own, and is sent when the one before was answered.
    """
    load, stop = Load(), threading.Event()
    if port is None or path is None:
        yield load
        return
    threads = [threading.Thread(target=_send, args=(port, path, load, stop), daemon=True) for _ in range(senders)]
    for each in threads:
        each.start()
    try:
        yield load
    finally:
        stop.set()
        for each in threads:
            each.join()


def _send(port: int, path: str, load: Load, stop: threading.Event) -> None:
    while not stop.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_TIME)
        try:
            connection.request("GET", path)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            load.failures.append(f"{type(error).__name__}: {error}")
        else:
            if 200 <= status < 400:
                load.answered += 1
            else:
                load.failures.append(f"HTTP {status}")
        finally:
            connection.close()
