"""Install a package by way of the temporary folder.

Game panels give a container 100 MB of /tmp, and plenty of disk: pip unpacks there, and "No space left on device" ends
the installation of each larger package.
"""

import tempfile


def install(package):
    """Unpack a package, and return how many bytes of it are there."""
    with tempfile.TemporaryFile() as unpacked:
        unpacked.write(package)
        unpacked.flush()
        return unpacked.tell()
