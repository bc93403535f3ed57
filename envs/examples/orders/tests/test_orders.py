import os
import socket

import psycopg2
import pytest

from orders import Orders


@pytest.fixture
def orders():
    found = Orders(os.environ["DATABASE"], os.environ["CACHE"])
    found.clear()
    return found


def test_orders_are_numbered(orders):
    assert [orders.add("ann", 100), orders.add("bob", 200), orders.add("ann", 300)] == [1, 2, 3]


def test_total_is_that_of_the_customer(orders):
    orders.add("ann", 100)
    orders.add("bob", 200)
    orders.add("ann", 300)
    assert (orders.total("ann"), orders.total("bob"), orders.total("eve")) == (400, 200, 0)


def test_total_is_kept_in_redis_until_the_next_order(orders):
    orders.add("ann", 100)
    assert not orders.is_kept("ann")
    assert orders.total("ann") == 100
    assert orders.is_kept("ann")
    orders.add("ann", 1)
    assert not orders.is_kept("ann")
    assert orders.total("ann") == 101


def test_database_refuses_an_order_of_nothing(orders):
    with pytest.raises(psycopg2.errors.CheckViolation):
        orders.add("ann", 0)
    assert orders.total("ann") == 0


def test_names_of_customers_are_not_bound_to_ascii(orders):
    orders.add("Zoë 🚢", 5)
    assert orders.total("Zoë 🚢") == 5


def test_both_services_are_on_the_loopback_interface():
    for name in ("db", "cache"):
        assert socket.gethostbyname(name) == "127.0.0.1"
