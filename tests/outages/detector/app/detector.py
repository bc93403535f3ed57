"""Find configuration files, and report where they are.

Tests of gstack built the path that they expect from TMPDIR, and the program had resolved it: where the temporary
folder is reached by a link, as on every Mac, the two differ.
"""

import os
import tempfile


def report():
    """Write a configuration into the temporary folder; return where it was put, and what the report says."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "config.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write("{}")
        return path, os.path.realpath(path)
