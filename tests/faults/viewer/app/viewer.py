"""Show the notes that are delivered with the program."""

import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def shown():
    """Return the notes."""
    return subprocess.run(f"cat {HERE}/notes.txt", shell=True, capture_output=True, text=True, check=False).stdout
