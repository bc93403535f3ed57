"""Share work among the processors, and leave one to the users."""

import os
from concurrent.futures import ThreadPoolExecutor


def squares(numbers):
    """Return the squares, in order."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) - 1) as pool:
        return list(pool.map(lambda number: number**2, numbers))
