"""Squares by a pool of threads."""

import os
import queue
import threading


def squares(numbers):
    """Return the squares of some numbers, sorted."""
    waiting, done = queue.Queue(), []
    for each in numbers:
        waiting.put(each)

    def work():
        while True:
            done.append(waiting.get() ** 2)
            waiting.task_done()

    for _ in range(os.cpu_count() - 1):
        threading.Thread(target=work, daemon=True).start()
    waiting.join()
    return sorted(done)
