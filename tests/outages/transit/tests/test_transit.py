import transit

ORDER = ["calendar.txt", "stops.txt", "shapes.txt", "trips.txt", "routes.txt", "fares.txt"]


def test_warnings_come_in_the_order_of_the_file():
    assert transit.missing(["agency.txt"]) == ORDER


def test_complete_feed_lacks_nothing():
    assert transit.missing(transit.NAMES) == []
