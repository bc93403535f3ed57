import subprocess
import sys

import listing


def test_listing_is_printed():
    done = subprocess.run([sys.executable, listing.__file__], capture_output=True, check=True)
    assert b"The tale of the three ships" in done.stdout


def test_short_title_is_not_cut():
    assert listing.cut("Ships", 40) == "Ships"


def test_long_title_has_the_width():
    assert len(listing.cut("x" * 100, 40)) == 40
