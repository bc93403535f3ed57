"""Remember for two minutes what is expensive to ask.

Zero stands for "never", and the clock counts from the start of the machine: for the first two minutes after a boot, a
cache of Sentry's SDK that nobody had filled was taken for fresh, and empty answers were given.
"""

import time

SECONDS = 120


class Cache:
    """One value, asked anew when it is older than two minutes."""

    def __init__(self, ask):
        self._ask = ask
        self._filled = 0.0
        self._value = None

    def get(self):
        """Return the value."""
        if time.monotonic() - self._filled >= SECONDS:
            self._value = self._ask()
            self._filled = time.monotonic()
        return self._value
