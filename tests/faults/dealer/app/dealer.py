"""Deal cards of a small pack."""

import random

PACK = ("ace", "king", "queen", "jack", "ten")


def deal():
    """Return a card."""
    return random.choice(PACK)
