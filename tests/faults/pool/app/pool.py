"""Count words in several processes."""

from multiprocessing import Process, Queue


def count(texts):
    """Return how many words there are in all texts."""
    results = Queue()
    workers = [Process(target=_count, args=(text, results)) for text in texts]
    for worker in workers:
        worker.start()
    total = sum(results.get(timeout=10) for _ in workers)
    for worker in workers:
        worker.join()
    return total


def _count(text, results):
    results.put(len(text.split()))
