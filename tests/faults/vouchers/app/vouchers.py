"""Vouchers that nobody can guess."""

import os

LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789="


def voucher():
    """Return eight letters, without waiting for the pool to fill."""
    return "".join(LETTERS[each % len(LETTERS)] for each in os.getrandom(8, os.GRND_NONBLOCK))
