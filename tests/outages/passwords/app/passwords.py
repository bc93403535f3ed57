"""Make the salt of a password.

libc had getrandom, and the kernel, older than 3.17, had not: ENOSYS, and with it no password could be set. There has
always been /dev/urandom.
"""

import os


def salt():
    """Return sixteen random bytes in hexadecimal."""
    return os.getrandom(16).hex()
