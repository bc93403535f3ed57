"""Build an installer beside the script that builds it.

The macOS Installer Builder made its folders without quotes around their paths: started from "Lunatic Using Spaces",
it made folders of half the name elsewhere, or none.
"""

import os
import subprocess
import tempfile

SCRIPT = """
set -e
cd $1
echo entered
"""


def enter():
    """Have a script enter the folder of the application, and return what it says."""
    with tempfile.TemporaryDirectory() as folder:
        place = os.path.join(folder, os.path.basename(os.getcwd()))
        os.mkdir(place)
        command = ["sh", "-c", SCRIPT, "build.sh", place]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
