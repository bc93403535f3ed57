"""A queue of parcels on disk, for kernels that can write and sync at once."""

import platform
import re

OLDEST = (4, 7)  # RWF_DSYNC, for pwritev2


def version(release):
    """Return the first two numbers of what a kernel says of itself."""
    found = re.match(r"(\d+)\.(\d+)", release)
    if not found:
        raise ValueError(f"no release of Linux: {release}")
    return int(found[1]), int(found[2])


class Spooler:
    """A queue, empty at first."""

    def __init__(self):
        if version(platform.release()) < OLDEST:
            raise RuntimeError(f"Linux {platform.release()} is too old")
        self.parcels = []
