"""A folder with an app, its suite and its stages, and the command of a user in it."""

import contextlib
import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from busybox_image import lay_layout

from pipeline.cli.command_line import start

ROOT = Path(__file__).parents[3]
HOSTS = ("read-only", "hardened", "umask-0077", "timezone-kolkata", "locale-c")
"""What the stages that Seatrial brings demand beside the reference."""

PASSES = 'echo 1..1\necho "ok 1 - it answers"\n'


@dataclass(frozen=True, slots=True)
class Done:
    """What a command wrote."""

    stdout: str
    stderr: str


class Project:
    """A project whose image exists already, of one static program: its suite takes a tenth of a second.

    Args:
        folder: takes the project; its store and its keys are in it too.
        script: what the suite runs, which prints TAP.
        hosts: that `verify` tries beside the reference.
    """

    def __init__(self, folder, script=PASSES, hosts=HOSTS):
        self.folder, self.store = folder, folder / "store"
        (folder / "pyproject.toml").touch()  # the top of the project
        self.image = lay_layout(folder / "image", "web")
        self.write(script, hosts)

    def write(self, script, hosts=HOSTS, **config):
        """Write the spec and its suite; with ``config`` another image too."""
        if config:
            self.image = lay_layout(self.folder / "image", "other", **config)
        checks = self.folder / "envs" / "checks"
        checks.mkdir(parents=True, exist_ok=True)
        (checks / "run.sh").write_text(script)
        (checks.parent / "web.lock.json").unlink(missing_ok=True)
        (checks.parent / "web.yaml").write_text(
            f"seatrial: 1\nimage: {{from: 'oci:../image@{self.image}'}}\n"
            "suite: {files: [{from: ./checks, to: /checks}], command: [sh, /checks/run.sh], results: tap}\n"
            f"hosts: [{', '.join(hosts)}]\n"
        )

    def stage(self, name, **parts):
        """Write a stage; the project has all of its own then."""
        folder = self.folder / "specs" / "stages"
        folder.mkdir(parents=True, exist_ok=True)
        said = {key: value for key, value in parts.items() if value is not None}
        (folder / f"{name}.yaml").write_text(json.dumps({"seatrial": 1, "name": name, **said}))

    def command(self, *words):
        return [sys.executable, "-m", "pipeline.cli.main", *map(str, words), "--no-progress"]

    @property
    def environment(self):
        own = {"SEATRIAL_STORE": str(self.store), "SEATRIAL_KEYS": str(self.folder / "keys"), "PYTHONPATH": str(ROOT)}
        return {**os.environ, **own}

    def run(self, *words, code=0):
        """Run a command in this process, which a second of imports is spared, to its exit code."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            patch.chdir(self.folder)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            found = start([*map(str, words), "--no-progress"], program="seatrial")
        assert found == code, out.getvalue() + err.getvalue()
        return Done(stdout=out.getvalue(), stderr=err.getvalue())

    def json(self, *words, code=0):
        return json.loads(self.run(*words, "--json", code=code).stdout)

    def status(self, stage):
        """Return how the app stands in a stage."""
        (found,) = [each for each in self.json("status", "web")["stages"] if each["stage"] == stage]
        return found
