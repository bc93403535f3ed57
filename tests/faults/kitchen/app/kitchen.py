"""A kitchen with a cook for each processor."""

import os


def cooks():
    """Return how many there are."""
    return min(2, len(os.sched_getaffinity(0)))


def place(cook):
    """Return where one works."""
    return f"stove {cook + 1}"


def shared(dishes, cooks):
    """Return what each cook makes."""
    return [dishes[number::cooks] for number in range(cooks)]
