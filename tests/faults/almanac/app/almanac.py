"""When people meet, whatever zone each of them is in."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo


def shown(meeting, zone):
    """Return a time as it is told in a zone."""
    return meeting.astimezone(ZoneInfo(zone))


def day_after(meeting):
    """Return the same hour on the day after, which may not be 24 hours later."""
    return meeting + timedelta(days=1)


def written(meeting):
    """Return it in UTC, as text."""
    if meeting.tzinfo is None:
        raise ValueError(f"{meeting} names no zone")
    return meeting.astimezone(UTC).isoformat()


def read(text):
    """Return what was written."""
    return datetime.fromisoformat(text)
