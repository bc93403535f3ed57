"""Run the scripts that users write into a form."""

import os
import subprocess
import tempfile


def run(script):
    """Run a script and return what it wrote."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False) as file:
        file.write("#!/bin/sh\n" + script)
    os.chmod(file.name, 0o700)
    try:
        return subprocess.run([file.name], capture_output=True, text=True, check=True).stdout
    finally:
        os.unlink(file.name)
