"""Filters that users write as shell scripts, and that lines of text pass."""

import os
import subprocess
import tempfile
from pathlib import Path


def run(name, script, line):
    """Install a filter and return what it makes of a line."""
    if not name.isalpha():
        raise ValueError(f"a filter's name has letters only: {name}")
    path = _folder() / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return subprocess.run([path], input=line, capture_output=True, text=True, check=True).stdout


def _folder():
    wanted = Path("/var/tmp/filters")
    try:
        wanted.mkdir(exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp())
    return wanted if os.access(wanted, os.W_OK) else Path(tempfile.mkdtemp())
