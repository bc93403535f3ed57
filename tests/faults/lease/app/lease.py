"""Who leads: a lease in a file, which is renewed again and again."""

import os
import time

SECONDS = 0.5


class Lease:
    """A lease that counts from before it was written, so that no other can hold it too."""

    def __init__(self, path):
        self._path = path
        self._end = 0.0

    def renew(self, leader):
        """Write down who leads."""
        end = time.monotonic() + SECONDS
        with self._path.open("w") as file:
            file.write(leader)
            file.flush()
            os.fsync(file.fileno())
        self._end = end

    def is_held(self):
        """Say whether it is still ours."""
        return time.monotonic() < self._end
