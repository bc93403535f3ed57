"""What a mirror of a machine copies: everything, but what other machines share with it."""

import os


def files(top):
    """Return the files below a folder, without those of other file systems, as network shares are."""
    device = os.stat(top).st_dev
    found = []
    for folder, below, names in os.walk(top):
        below[:] = [each for each in below if os.lstat(os.path.join(folder, each)).st_dev == device]
        found += [os.path.join(folder, each) for each in names]
    return sorted(found)
