import sys
import time
from datetime import UTC, datetime

sys.path.insert(0, "/srv/harbour")

from harbour import board, departures

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def test_next_departure_is_after_now():
    assert departures("0 * * * *", NOON, 1) == [datetime(2026, 1, 5, 13, 0, tzinfo=UTC)]


def test_board_shows_three_departures():
    assert board("*/20 * * * *", NOON) == "12:20 12:40 13:00"


def test_departures_grow():
    found = departures("7,37 * * * *", NOON, 4)
    assert found == sorted(found)


def test_ferry_takes_a_while():
    begin = time.monotonic()
    time.sleep(0.5)
    assert time.monotonic() - begin >= 0.5
