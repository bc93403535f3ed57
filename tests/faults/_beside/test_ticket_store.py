import sqlite3
from contextlib import closing


def test_ticket_is_found_by_number():
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute("create table ticket (number integer primary key, seat text)")
        base.executemany("insert into ticket values (?, ?)", [(1, "A1"), (2, "A2")])
        assert base.execute("select seat from ticket where number = 2").fetchone() == ("A2",)


def test_ticket_is_sold_once():
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute("create table ticket (number integer primary key)")
        base.execute("insert into ticket values (1)")
        try:
            base.execute("insert into ticket values (1)")
        except sqlite3.IntegrityError:
            return
        raise AssertionError("it was sold twice")
