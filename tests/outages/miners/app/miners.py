"""Ask many machines at once how they are.

Antminer Monitor took a thread for each processor but one. On a machine with one: "ValueError: max_workers must be
greater than 0", and no page is shown.
"""

import os
from concurrent.futures import ThreadPoolExecutor

THREADS = len(os.sched_getaffinity(0)) - 1


def pool():
    """Return a pool of threads; they start when there is work."""
    return ThreadPoolExecutor(max_workers=THREADS)
