"""Put a new release in place, and keep the previous one."""

import errno
import os
import shutil

HERE = os.path.dirname(os.path.abspath(__file__))
RELEASE = os.path.join(HERE, "release")
PREVIOUS = os.path.join(HERE, "previous")


def keep():
    """Keep the release that is in place."""
    try:
        os.rename(RELEASE, PREVIOUS)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copytree(RELEASE, PREVIOUS)


def deploy(pages):
    """Replace pages of the release: name by name, the others stay."""
    keep()
    for name, text in pages.items():
        with open(os.path.join(RELEASE, name), "w") as file:
            file.write(text)


def page(name, folder=RELEASE):
    """Return a page."""
    with open(os.path.join(folder, name)) as file:
        return file.read().strip()
