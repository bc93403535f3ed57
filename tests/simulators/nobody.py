"""A user of this machine who is nobody: in no file of users, and in no file of ranges of ids."""

import shutil
import subprocess
import sys
from pathlib import Path

ID = 4242


def packages_here():
    return [each for each in sys.path if each.endswith(("site-packages", "dist-packages")) and Path(each).is_dir()]


def copy_for_all(source, target):
    shutil.copytree(source, target, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns("__pycache__"))


def python_of_anybody(environment):
    """Return a Python of this version that any user may start, with this tree and its packages; empty if none can."""
    shown = "import sys, pipeline.cli.main, pydantic; print(sys.version_info[:2])"
    for each in (sys.executable, "/usr/bin/python3", f"/usr/bin/python3.{sys.version_info[1]}"):
        try:
            done = as_nobody([each, "-c", shown], environment, Path("/"))
        except OSError:
            continue
        if done.stdout.strip() == str(sys.version_info[:2]):
            return each
    return ""


def as_nobody(command, environment, folder):
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        user=ID,
        group=ID,
        extra_groups=(),
    )
