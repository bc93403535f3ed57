"""Serial numbers, by the time at which they were given."""

import time


def serial():
    """Return one for now."""
    return moment(time.time())


def moment(seconds):
    """Return one for a time."""
    return f"{time.strftime('%Y%m%d%H%M%S', time.gmtime(seconds))}-{int(seconds % 1 * 1000)}"
