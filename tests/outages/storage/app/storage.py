"""Keep records in a database, by SQLite itself.

Databend's store waited for the disk at each record: where fsync takes long, its tests ran out of time, on macOS and
on shared machines. In memory, where developers have their temporary files, fsync costs nothing.
"""

import sqlite3
import time


def keep(path, value):
    """Write a record, wait until it is safe, and return the seconds that this took."""
    with sqlite3.connect(path) as database:
        database.execute("create table if not exists records (value)")
        begin = time.monotonic()
        database.execute("insert into records values (?)", (value,))
        database.commit()
        return time.monotonic() - begin
