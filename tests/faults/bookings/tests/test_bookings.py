import pytest

import bookings


@pytest.mark.parametrize(("seconds", "text"), [(0, "00:00"), (1_700_000_000, "22:13")])
def test_booking_is_shown_in_utc(seconds, text):
    assert bookings.shown(seconds) == text


def test_bookings_are_shown_as_hours_and_minutes():
    assert len(bookings.shown(86_399)) == 5
