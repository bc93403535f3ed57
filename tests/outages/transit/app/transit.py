"""Check a feed of public transport, and tell what is wrong with it.

Tests of transitfeed expected warnings in the order in which a dictionary or a set had them. That order follows the
hash seed, which another environment sets to another value.
"""

NAMES = ("agency.txt", "stops.txt", "routes.txt", "trips.txt", "calendar.txt", "fares.txt", "shapes.txt")


def missing(present):
    """Return the files that a feed lacks."""
    return list(set(NAMES) - set(present))
