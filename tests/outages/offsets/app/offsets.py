"""Write times with the offset of the zone, and read them again.

72 tests of Moment failed for whoever ran them in India: half an hour was lost between the offset that was written and
the one that was read.
"""

import datetime as dt
import time


def write(seconds):
    """Return a time as text, with the zone's offset."""
    local = time.localtime(seconds)
    hours = int(local.tm_gmtoff / 3600)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}{hours:+03}:00"


def read(text):
    """Return the seconds since 1970 of a time."""
    return int(dt.datetime.fromisoformat(text).timestamp())
