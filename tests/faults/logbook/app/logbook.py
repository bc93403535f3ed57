"""A logbook, a folder with a page for each day."""

import os
import shutil
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent / "pages"


def archive(name):
    """Put the pages away as they are, and return where they are now."""
    aside = FOLDER.with_name(name)
    try:
        os.rename(FOLDER, aside)
    except OSError:  # the folder is of a layer of the image, or is not ours
        aside = Path(tempfile.mkdtemp()) / name
        shutil.copytree(FOLDER, aside)
    return aside


def pages():
    """Return the names of the pages that there are."""
    return sorted(os.listdir(FOLDER))


def name(day):
    """Return the name of a page."""
    return f"page-{day:03}.txt"
