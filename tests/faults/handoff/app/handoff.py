"""Give work to helpers, each on a thread, and see who is done when."""

import random
import threading
import time


def finished(helpers):
    """Return the names of helpers in the order in which they finished; each takes up to so many seconds."""
    names = []
    threads = [threading.Thread(target=_work, args=(name, most, names)) for name, most in helpers.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return names


def _work(name, most, names):
    time.sleep(random.random() * most)
    names.append(name)
