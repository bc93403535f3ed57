"""How often a request is made again, and after how long."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.declare.errors import FetchError
from pipeline.registry.answers import TransientError

LONGEST_WAIT = 120.0
"""Seconds; a server that wants to be left alone for longer is not waited for."""

_LOOK = 0.5
"""Seconds after which whoever waits looks whether it is still wanted."""

_PAUSES = (0.5, 1.0, 2.0)
"""Seconds between tries where the server does not say how many: four tries in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How tries are spaced.

    Args:
        pauses: seconds between tries where the server says nothing; there is one try more than these.
        pause: waits some seconds.
        chance: a number from 0 to 1, another each time: clients that failed together do not come back together.
        stopped: when it is set, nobody waits any longer, and nothing is tried again; None for never.
    """

    pauses: tuple[float, ...] = _PAUSES
    pause: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    stopped: threading.Event | None = None

    def wait(self, tried: int, error: TransientError) -> None:
        """Wait before the next try.

        Args:
            tried: how often it was tried by now, from 1.
            error: how the last try ended.

        Raises:
            TransientError: the one that was given, if there is to be no further try.
            FetchError: the server wants to be left alone for too long.
        """
        if tried > len(self.pauses) or self._is_stopped():
            raise error
        if error.after is not None and error.after > LONGEST_WAIT:
            raise FetchError(
                f"{error.message}; it wants to be left alone for {error.after:.0f} s, more than {LONGEST_WAIT:.0f} s",
                hint="run it again later",
            )
        own = self.pauses[tried - 1] * (1 + self.chance()) / 2
        self._wait_for(max(own, error.after or 0.0))
        if self._is_stopped():
            raise error

    def _wait_for(self, seconds: float) -> None:
        if self.stopped is None:
            self.pause(seconds)
            return
        while seconds > 0 and not self.stopped.is_set():
            self.pause(min(seconds, _LOOK))
            seconds -= _LOOK

    def _is_stopped(self) -> bool:
        return self.stopped is not None and self.stopped.is_set()
