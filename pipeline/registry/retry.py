"""How often a request is made again, and after how long."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.declare.errors import FetchError
from pipeline.registry.answers import TransientError

LONGEST_WAIT = 120.0
"""Seconds; a server that wants to be left alone for longer is not waited for."""

_PAUSES = (0.5, 1.0, 2.0)
"""Seconds between tries where the server does not say how many: four tries in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How tries are spaced.

    Args:
        pauses: seconds between tries where the server says nothing; there is one try more than these.
        pause: waits some seconds.
        chance: a number from 0 to 1, another each time: clients that failed together do not come back together.
    """

    pauses: tuple[float, ...] = _PAUSES
    pause: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def wait(self, tried: int, error: TransientError) -> None:
        """Wait before the next try.

        Args:
            tried: how often it was tried by now, from 1.
            error: how the last try ended.

        Raises:
            TransientError: the one that was given, if there is to be no further try.
            FetchError: the server wants to be left alone for too long.
        """
        if tried > len(self.pauses):
            raise error
        if error.after is not None and error.after > LONGEST_WAIT:
            raise FetchError(
                f"{error.message}; it wants to be left alone for {error.after:.0f} s, more than {LONGEST_WAIT:.0f} s",
                hint="run it again later",
            )
        own = self.pauses[tried - 1] * (1 + self.chance()) / 2
        self.pause(max(own, error.after or 0.0))
