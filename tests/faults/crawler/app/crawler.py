"""Fetch many pages at once."""

import threading


def crawl(pages, fetch):
    """Return what was fetched, page by page."""
    found = {}
    everybody = threading.Event()

    def work(page):
        everybody.wait(10)
        found[page] = fetch(page)

    threads = [threading.Thread(target=work, args=(page,)) for page in pages]
    try:
        for thread in threads:
            thread.start()
    finally:
        everybody.set()
    for thread in threads:
        thread.join()
    return found
