"""Orders in PostgreSQL, and the total of each customer in Redis."""

import os
import time

import psycopg2
import redis

TABLE = """CREATE TABLE IF NOT EXISTS orders (
    id serial PRIMARY KEY, customer text NOT NULL, cents integer CHECK (cents > 0)
)"""


class Orders:
    """All orders.

    Args:
        database: where PostgreSQL is, as libpq has it.
        cache: the URL of Redis.
    """

    def __init__(self, database, cache):
        self._database = _connect(database)
        self._database.autocommit = True
        self._cache = redis.Redis.from_url(cache)
        self._run(TABLE)

    def add(self, customer, cents):
        """Keep an order and return its number; the customer's total is counted anew at the next question."""
        number = self._run("INSERT INTO orders (customer, cents) VALUES (%s, %s) RETURNING id", customer, cents)[0][0]
        self._cache.delete(f"total:{customer}")
        return number

    def total(self, customer):
        """Return what a customer has ordered, in cents."""
        kept = self._cache.get(f"total:{customer}")
        if kept is None:
            kept = self._run("SELECT coalesce(sum(cents), 0) FROM orders WHERE customer = %s", customer)[0][0]
            self._cache.set(f"total:{customer}", kept)
        return int(kept)

    def is_kept(self, customer):
        """Tell whether the customer's total is in Redis."""
        return bool(self._cache.exists(f"total:{customer}"))

    def clear(self):
        """Forget everything."""
        self._run("TRUNCATE orders RESTART IDENTITY")
        self._cache.flushdb()

    def _run(self, statement, *values):
        with self._database.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []


def _connect(database, within=20):
    """Connect; a database that accepts connections may still be reading what it has."""
    end = time.monotonic() + within
    while True:
        try:
            return psycopg2.connect(database)
        except psycopg2.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def main():
    """Print how many orders there are."""
    orders = Orders(os.environ["DATABASE"], os.environ["CACHE"])
    print(orders._run("SELECT count(*) FROM orders")[0][0])


if __name__ == "__main__":
    main()
