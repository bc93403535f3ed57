"""The client's end of the warm process: starts it, gives orders, hands each answer to the run that it is about."""

import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from runtime.backends.native import wire
from runtime.backends.native.launch import Launched, launch
from runtime.backends.native.order import Order, RecentOrders
from runtime.errors import BackendError

_ENDING_TIME = 30.0

Answer = Callable[[tuple[Any, ...], list[int]], None]


class WarmProcess:
    """The warm process and the thread that listens to it.

    Args:
        one_id: whether runs have one id only.
        launched: one that is on its way already, with the ids that this user has; None starts it here.

    Raises:
        BackendError: it did not come up.
    """

    def __init__(self, *, one_id: bool = False, launched: Launched | None = None) -> None:
        launched = launched or launch(one_id=one_id)
        self._pid, self._connection = launched.pid, launched.connection
        self._answers: dict[int, Answer] = {}
        self._lock = threading.Lock()  # of the table of answers
        self._sending = threading.Lock()  # never held together with the other: either side may wait for the other end
        self._recent = RecentOrders()
        self._alive = True
        try:
            (_, self.offers, self.versions), _ = wire.receive(self._connection)  # it is there
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
        return self._pid

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

    def join(self, number: int, other: int, order: Order, answer: Answer) -> None:
        """Order a run in the network of one that lasts; ``answer`` as of ``start``.

        Raises:
            BackendError: the warm process is gone.
        """
        with self._lock:
            if not self._alive:
                raise BackendError("the warm process is gone")
            self._answers[number] = answer
        self.order("join", number, other, order)

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
        self._wait()
        self._listener.join()
        self._connection.close()

    def _abandon(self) -> int:
        """End the warm process before it came up, and return its exit code."""
        self._connection.close()
        return self._wait()

    def _wait(self) -> int:
        """Wait for the end of the warm process, and return its exit code; one that takes too long is killed."""
        try:
            ending = os.pidfd_open(self._pid)
        except ProcessLookupError:
            return 0  # whoever started us ignores SIGCHLD, and so nobody waits for its children
        try:
            if not select.select([ending], [], [], _ENDING_TIME)[0]:
                os.kill(self._pid, signal.SIGKILL)
            return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        except ChildProcessError:
            return 0  # likewise
        finally:
            os.close(ending)

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
        how = self._how_it_ended() if answers else ""
        for number, answer in answers.items():
            answer(("lost", number, how), [])

    def _how_it_ended(self) -> str:
        """Return what the kernel says of its end, and leave that for who waits for it."""
        try:
            ending = os.pidfd_open(self._pid)
        except ProcessLookupError:
            return "is gone"
        try:
            if not select.select([ending], [], [], _ENDING_TIME)[0]:
                return "listens no more"
            found = os.waitid(os.P_PIDFD, ending, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            found = None
        finally:
            os.close(ending)
        if found is None:
            return "is gone"
        is_exit = found.si_code == os.CLD_EXITED
        return f"ended with {found.si_status}" if is_exit else f"was ended by signal {found.si_status}"
