"""Tell somebody that a sensor is too warm, but not more often than once a minute."""

import time

PAUSE = 60  # seconds
MOST = 70  # degrees


class Alerts:
    """What was sent, and when."""

    def __init__(self, send):
        self._send = send
        self._last = 0.0

    def report(self, place, degrees):
        """Send an alert, if one is due."""
        now = time.monotonic()
        if degrees > MOST and now - self._last >= PAUSE:
            self._last = now
            self._send(f"{place} is too warm: {degrees}")
