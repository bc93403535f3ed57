"""Tags of builds, kept in a file of plain lines."""

import uuid


def new():
    """Return a tag of four letters and digits."""
    return uuid.uuid4().hex[:4]


def written(values):
    """Return the lines of a file."""
    return "".join(f"{name}: {value}\n" for name, value in values.items())


def read(text):
    """Return what a file says: numbers where they look like numbers."""
    return dict(_read(line) for line in text.splitlines())


def _read(line):
    name, _, value = line.partition(": ")
    return name, int(value) if value.isdecimal() else value
