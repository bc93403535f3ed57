"""Bookings are stored as seconds since 1970 and shown as the time of day in UTC."""

from datetime import datetime


def shown(seconds):
    """Return a booking's time as guests see it."""
    return datetime.fromtimestamp(seconds).strftime("%H:%M")
