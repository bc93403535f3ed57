"""When the next ferry leaves."""

from datetime import datetime

from croniter import croniter


def departures(timetable: str, after: datetime, count: int) -> list[datetime]:
    following = croniter(timetable, after)
    return [following.get_next(datetime) for _ in range(count)]


def board(timetable: str, after: datetime) -> str:
    return " ".join(f"{each:%H:%M}" for each in departures(timetable, after, 3))
