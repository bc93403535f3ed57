"""Which words are in which documents."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

EACH = 1 << 20  # KiB that a worker needs


def workers():
    """Return for how many there is memory: two gigabytes are the system's."""
    total = int(Path("/proc/meminfo").read_text().split()[1])
    return min(8, (total - 2 * EACH) // EACH)


def index(documents):
    """Return the places of each word."""
    places = {}
    with ThreadPoolExecutor(workers()) as pool:
        for place, found in enumerate(pool.map(words, documents)):
            for word in found:
                places.setdefault(word, set()).add(place)
    return places


def words(document):
    """Return the words of one."""
    return set(document.split())
