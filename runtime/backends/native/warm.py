"""The client's end of the warm process: starts it, gives orders, hands each answer to the run that it is about."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from runtime.backends.native import wire
from runtime.backends.native.order import Order, RecentOrders
from runtime.errors import BackendError

_START = "import sys; sys.path.insert(0, sys.argv[2]); from runtime.backends.native.zygote import main; main()"
_ONE_ID = "one-id"  # as the warm process knows it, whose module is large
_ENDING_TIME = 30.0

Answer = Callable[[tuple[Any, ...], list[int]], None]


class WarmProcess:
    """The warm process and the thread that listens to it.

    Args:
        one_id: whether runs have one id only.

    Raises:
        BackendError: it did not come up.
    """

    def __init__(self, *, one_id: bool = False) -> None:
        # The folder that holds the package ``runtime``: with -I and -S nothing else is looked for.
        home = Path(__file__).resolve().parents[3]
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own code
                [sys.executable, "-I", "-S", "-c", _START, str(theirs.fileno()), str(home), *([_ONE_ID] * one_id)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,  # a terminal's Ctrl-C is ours to answer, from the first moment on
                pass_fds=[theirs.fileno()],
            )
        self._answers: dict[int, Answer] = {}
        self._lock = threading.Lock()  # of the table of answers
        self._sending = threading.Lock()  # never held together with the other: either side may wait for the other end
        self._recent = RecentOrders()
        self._alive = True
        try:
            wire.receive(self._connection)  # it is there
        except EOFError as error:
            raise BackendError(f"the warm process ended with {self._abandon()} at its start") from error
        except BaseException:
            self._abandon()
            raise
        self._listener = threading.Thread(target=self._listen, name="seatrial-warm-process", daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """The pid of the warm process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether orders can be given."""
        return self._alive

    def start(self, number: int, order: Order, descriptors: Sequence[int], answer: Answer) -> None:
        """Order a run; ``answer`` is called, in the listening thread, with each message about it.

        Raises:
            BackendError: the warm process is gone.
        """
        with self._lock:
            if not self._alive:
                raise BackendError("the warm process is gone")
            self._answers[number] = answer
        with self._sending:
            place = self._recent.place_of(order)
            if place is None:
                self._recent.add(order)
                self._send(("start", number, order), descriptors)
            else:
                self._send(("again", number, place), descriptors)

    def order(self, *message: object) -> None:
        """Order something about a run that was started.

        Raises:
            BackendError: the warm process is gone.
        """
        with self._sending:
            self._send(message, ())

    def _send(self, message: tuple[object, ...], descriptors: Sequence[int]) -> None:
        try:
            wire.send(self._connection, message, descriptors)
        except OSError as error:
            raise BackendError(f"the warm process does not listen: {error.strerror}") from error

    def forget(self, number: int) -> None:
        """Hand on no more answers about a run."""
        with self._lock:
            self._answers.pop(number, None)

    def close(self) -> None:
        """End the warm process, and with it every run; returns when they have ended and are cleaned up."""
        with suppress(OSError):  # it may be gone already
            self._connection.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(_ENDING_TIME)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join()
        self._connection.close()

    def _abandon(self) -> int:
        """End the warm process before it came up, and return its exit code."""
        self._connection.close()
        return self._process.wait()

    def _listen(self) -> None:
        while True:
            try:
                message, descriptors = wire.receive(self._connection)
            except (EOFError, OSError):
                break
            with self._lock:
                answer = self._answers.get(message[1])
            if answer:
                answer(message, descriptors)
            else:
                for each in descriptors:
                    os.close(each)
        with self._lock:
            self._alive = False
            answers = dict(self._answers)
        for number, answer in answers.items():
            answer(("lost", number), [])
