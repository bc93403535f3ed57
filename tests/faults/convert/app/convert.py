"""Turn documents into other formats with the programs that are installed."""

import subprocess


def upper(text):
    """Return a text in capital letters."""
    return subprocess.run(["/usr/bin/tr", "a-z", "A-Z"], input=text, capture_output=True, text=True, check=True).stdout
