"""Ask the mail service beside us how many messages wait."""

import urllib.request


def waiting(port):
    """Return how many messages wait."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/waiting", timeout=5) as answer:
        return int(answer.read())
