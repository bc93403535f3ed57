"""Ask a question where somebody can answer, and take the default elsewhere."""

import sys


def answer(default):
    """Return what is typed, or the default."""
    return sys.stdin.readline().strip() or default
