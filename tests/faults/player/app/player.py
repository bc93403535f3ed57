"""Mix sound while it is played. The device has 60 milliseconds of it ahead."""

import time

AHEAD = 0.06


def mixed(block):
    """Return a block of samples, louder."""
    return [min(sample * 2, 255) for sample in block]


def gaps(seconds):
    """Return how often the device had no sound left while some seconds of it were mixed."""
    count = 0
    end = time.monotonic() + seconds
    last = time.monotonic()
    while last < end:
        mixed(range(200))
        now = time.monotonic()
        count += now - last > AHEAD
        last = now
    return count
