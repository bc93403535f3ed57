"""The dishes of a restaurant, one a line."""


def dishes(path):
    """Return the dishes in a file, in its order."""
    with open(path) as file:
        return [line.strip() for line in file if line.strip()]
