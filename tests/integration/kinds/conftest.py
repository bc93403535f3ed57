"""Real apps of which each behaves differently in one way, verified and reproduced by the command line."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from pipeline.declare.dependencies import answers
from pipeline.declare.read import read_specs

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


class Verified:
    """A verification of one app, in every format, and the shell to paste its commands into.

    Args:
        folder: where the spec lies.
        environment: of the shell.
    """

    def __init__(self, folder, environment):
        self.folder, self.environment = folder, environment

    def shell(self, line):
        """Run a line as a user pastes it."""
        return subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=1200,
        )

    def verify(self, name):
        """Verify the app, and keep what was found, in each format."""
        done = self.shell(f"seatrial verify {name}.yaml --locked --no-progress")
        self.exit_code, self.terminal = done.returncode, done.stdout
        report = self.shell("seatrial report --format json")
        assert report.returncode == 0, done.stdout + done.stderr
        self.document = json.loads(report.stdout)
        (self.found,) = self.document["environments"]
        self.hosts = {each["name"]: each for each in self.found["hosts"]}
        self.markdown = self.shell("seatrial report --format markdown").stdout
        self.junit = self.shell("seatrial report --format junit").stdout

    def differences(self, host):
        """Return the differences of a host by what they are: (kind, id, reference, here) → the whole."""
        keys = ("kind", "id", "reference", "here")
        return {tuple(each[key] for key in keys): each for each in self.hosts[host]["differences"]}

    def reproduces(self, difference):
        """Tell how the reproducer of a difference ends, and how it does with each of its factors taken away."""
        command = difference["reproduce"]
        words = shlex.split(command)
        places = [at for at, word in enumerate(words) if word == "--set"]
        without = [shlex.join(words[:at] + words[at + 2 :]) for at in places]
        return self.shell(command).returncode, {self.shell(each).returncode for each in without}


@pytest.fixture(scope="session")
def seatrial(tmp_path_factory):
    """The folder of the program `seatrial` of this checkout."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "seatrial"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m pipeline.cli.main "$@"\n')
    program.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def verified(build, store, seatrial, tmp_path_factory):
    """Verify an app of this folder, once: all have one lock, whose packages are the same."""
    build("schedule")  # of the same Debian packages; who comes second finds them

    @cache
    def verify(name):
        folder = tmp_path_factory.mktemp(name) / "project"
        shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        lock = json.loads((HERE / "base.lock.json").read_text(encoding="utf-8"))
        (spec,) = read_specs([folder / f"{name}.yaml"])
        platform = lock["architectures"]["amd64"]
        if spec.services:
            platform["services"] = dict.fromkeys(spec.services, platform["image"])
        lock["answers"] = answers(spec).text
        (folder / f"{name}.lock.json").write_text(json.dumps(lock))
        (folder / ".git").mkdir()
        environment = {**os.environ, "SEATRIAL_STORE": str(store), "PATH": f"{seatrial}:{os.environ['PATH']}"}
        found = Verified(folder, environment)
        found.verify(name)
        return found

    return verify
