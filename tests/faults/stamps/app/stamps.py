"""When a member of an archive was changed, by the wall clock of those who changed it, as old formats have it."""

import calendar
import struct
import time


def stamp(seconds):
    """Return the local time as four bytes."""
    return struct.pack(">i", calendar.timegm(time.localtime(seconds)))


def read(content):
    """Return the seconds since the epoch, for a stamp that was made in this zone."""
    (local,) = struct.unpack(">i", content)
    return int(time.mktime((*time.gmtime(local)[:8], -1)))
