"""Who reads a tutorial: types its commands, in their order, as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


class Reader:
    """Somebody with a folder, a store, and the two programs on the path.

    Args:
        page: the tutorial's name, of docs/tutorial.
        folder: where commands are typed; the programs lie beside it.
        store: of Seatrial.
        hosts: what `verify` is given beside what the page says, to try fewer hosts; empty for all.
    """

    def __init__(self, page, folder, store, hosts):
        self.page = (ROOT / "docs" / "tutorial" / page).read_text()
        self.folder = folder
        programs = folder.parent / "bin"
        programs.mkdir()
        for name, verb, more in (("seatrial", "", ""), ("verify", "verify ", hosts)):
            (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pipeline.cli.main {verb}"$@"{more}\n')
            (programs / name).chmod(0o755)
        own = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "SEATRIAL_STORE": str(store)}
        self.environment = {**os.environ, **own}

    @property
    def commands(self):
        """Every command of the page; what stands in fences is what they print, or the content of files."""
        prose = re.sub(r"```.*?```", "", self.page, flags=re.DOTALL)
        return re.findall(r"^    (\S.*)$", prose, re.MULTILINE)

    def type(self, command, code=0):
        """Type a command that ends with an exit code, and return what it wrote."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout
