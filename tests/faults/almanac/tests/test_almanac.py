from datetime import UTC, datetime

import almanac
import pytest


@pytest.mark.parametrize(
    ("zone", "hour"), [("UTC", 9), ("Asia/Kolkata", 14), ("America/St_Johns", 6), ("Australia/Lord_Howe", 19)]
)
def test_meeting_is_shown_in_each_zone(zone, hour):
    assert almanac.shown(datetime(2025, 7, 1, 9, 0, tzinfo=UTC), zone).hour == hour


def test_meeting_of_the_day_after_keeps_its_hour():
    before = almanac.shown(datetime(2025, 3, 29, 9, 0, tzinfo=UTC), "Europe/Berlin")
    assert almanac.day_after(before).hour == before.hour
    assert (almanac.day_after(before).astimezone(UTC) - before.astimezone(UTC)).total_seconds() == 23 * 3600


def test_meeting_is_read_as_it_was_written():
    now = datetime.now(UTC)
    assert almanac.read(almanac.written(now)) == now


def test_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="zone"):
        almanac.written(datetime(2025, 7, 1, 9, 0))  # noqa: DTZ001
