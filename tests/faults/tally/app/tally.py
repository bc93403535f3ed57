"""Count ballots on all processors."""

import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool


def count(ballots):
    """Return how many there are of each."""
    every = min(4, len(os.sched_getaffinity(0)))
    parts = [ballots[start::every] for start in range(every)]
    for pool in (ProcessPoolExecutor, ThreadPoolExecutor):
        try:
            with pool(every) as workers:
                return sum(workers.map(Counter, parts), Counter())
        except (OSError, RuntimeError, ImportError, BrokenProcessPool):
            continue
    return Counter(ballots)
